/**
 * libvirt with nothing around it: what Jitsu's own part of a cold start is measured against.
 *
 * @module
 */
import { SYMBOLS } from "../../src/backends/libvirt/symbols.ts";
import { cString } from "../../src/ffi/c_string.ts";

const {
  virConnectOpen,
  virDomainLookupByName,
  virDomainCreate,
  virDomainDestroy,
} = SYMBOLS;

/** A connection of its own. */
export class BareLibvirt {
  readonly #symbols = Deno.dlopen("libvirt.so.0", {
    virConnectOpen: { ...virConnectOpen, nonblocking: false },
    virDomainLookupByName: { ...virDomainLookupByName, nonblocking: false },
    virDomainCreate: { ...virDomainCreate, nonblocking: false },
    virDomainDestroy: { ...virDomainDestroy, nonblocking: false },
  }).symbols;
  readonly #connection: Deno.PointerValue;

  constructor(uri: string) {
    this.#connection = this.#symbols.virConnectOpen(cString(uri));
    if (this.#connection === null) throw new Error(`cannot connect to ${uri}`);
  }

  /** Milliseconds that virDomainCreate takes. */
  timeCreate(name: string): number {
    const domain = this.#domain(name);
    const start = performance.now();
    if (this.#symbols.virDomainCreate(domain) < 0) {
      throw new Error(`virDomainCreate of ${name} failed`);
    }
    return performance.now() - start;
  }

  destroy(name: string): void {
    if (this.#symbols.virDomainDestroy(this.#domain(name)) < 0) {
      throw new Error(`virDomainDestroy of ${name} failed`);
    }
  }

  #domain(name: string): Deno.PointerObject {
    const domain = this.#symbols.virDomainLookupByName(
      this.#connection,
      cString(name),
    );
    if (domain === null) throw new Error(`there is no domain ${name}`);
    return domain;
  }
}
