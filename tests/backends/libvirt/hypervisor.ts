/**
 * libvirt's test hypervisor, by somebody else's hand: `test:///default` is one hypervisor for the whole process, so what
 * is done here is done behind the backend's back.
 *
 * @module
 */
import { cString } from "../../../src/ffi/c_string.ts";
import { openLibrary } from "../../../src/ffi/library.ts";
import { loadLibvirt } from "../../../src/backends/libvirt/runtime.ts";

export const TEST_URI = "test:///default";

/** Why libvirt's tests cannot run here, if so. */
export const missing = (() => {
  try {
    loadLibvirt();
  } catch (error) {
    return (error as Error).message;
  }
})();
// deno-lint-ignore no-console -- a test that is skipped says why
if (missing !== undefined) console.log(`skipped: ${missing}`);

const CONNECTION = { parameters: ["pointer"], result: "i32" } as const;
const DOMAIN = { parameters: ["pointer"], result: "i32" } as const;

/** A connection to `test:///default`; its calls are blocking and are expected to succeed. */
export class TestHypervisor implements Disposable {
  readonly #libvirt = openLibrary(
    { name: "libvirt", candidates: ["libvirt.so.0"], install: [] },
    {
      virConnectOpen: { parameters: ["buffer"], result: "pointer" },
      virConnectClose: CONNECTION,
      virDomainLookupByName: {
        parameters: ["pointer", "buffer"],
        result: "pointer",
      },
      virDomainDefineXML: {
        parameters: ["pointer", "buffer"],
        result: "pointer",
      },
      virDomainCreateXML: {
        parameters: ["pointer", "buffer", "u32"],
        result: "pointer",
      },
      virDomainUndefine: DOMAIN,
      virDomainFree: DOMAIN,
      virDomainCreate: DOMAIN,
      virDomainDestroy: DOMAIN,
      virDomainSuspend: DOMAIN,
      virDomainResume: DOMAIN,
    },
  );
  readonly #connection = this.#libvirt.symbols.virConnectOpen(
    cString(TEST_URI),
  );

  /** Defines a domain that is off. */
  define(name: string, uuid: string = crypto.randomUUID()): string {
    this.#free(
      this.#libvirt.symbols.virDomainDefineXML(
        this.#connection,
        cString(domainXml(name, uuid)),
      ),
    );
    return uuid;
  }

  /** Starts a domain that is gone when it goes off. */
  createTransient(name: string): void {
    this.#free(
      this.#libvirt.symbols.virDomainCreateXML(
        this.#connection,
        cString(domainXml(name, crypto.randomUUID())),
        0,
      ),
    );
  }

  /** Does something to a domain. */
  do(
    deed: "Undefine" | "Create" | "Destroy" | "Suspend" | "Resume",
    name: string,
  ): void {
    const domain = this.#libvirt.symbols.virDomainLookupByName(
      this.#connection,
      cString(name),
    );
    const result = this.#libvirt.symbols[`virDomain${deed}`](domain);
    this.#free(domain);
    if (result < 0) throw new Error(`virDomain${deed} of ${name} failed`);
  }

  #free(domain: Deno.PointerValue): void {
    if (domain === null) throw new Error("libvirt returned no domain");
    this.#libvirt.symbols.virDomainFree(domain);
  }

  [Symbol.dispose](): void {
    this.#libvirt.symbols.virConnectClose(this.#connection);
    this.#libvirt.close();
  }
}

/** A domain of the test driver. */
export function domainXml(name: string, uuid: string, more = ""): string {
  return `<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
    <name>${name}</name><uuid>${uuid}</uuid><memory>8192</memory><vcpu>1</vcpu><os><type>hvm</type></os>${more}
  </domain>`;
}
