/**
 * What all libvirt connections of the process share: the library, its error handler, its event loop.
 *
 * The library is opened once and stays. The event loop and the callbacks run while somebody holds the runtime
 * ({@linkcode acquireRuntime}); the process can end by itself when nobody does.
 *
 * @module
 */
import { lazyLibrary } from "../../ffi/library.ts";
import { log } from "../../log.ts";
import { BackendError } from "../backend.ts";
import { LibvirtError, readVirError } from "./errors.ts";
import {
  CLOSE_FUNC,
  DOMAIN_CALLBACK,
  DOMAIN_EVENT_CALLBACK,
  ERROR_FUNC,
  FREE_CALLBACK,
  SYMBOLS,
} from "./symbols.ts";
import { delay } from "../../wait.ts";

/** libvirt's functions. */
export type Libvirt = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const LIBRARY = {
  name: "libvirt",
  candidates: [
    "libvirt.so.0",
    "/usr/local/lib/libvirt.so.0",
    "/usr/local/lib64/libvirt.so.0",
  ],
  install: [
    "apt-get install libvirt0 (Debian, Ubuntu)",
    "dnf install libvirt-libs (Fedora, EL)",
    "apk add libvirt-libs (Alpine)",
  ],
};

const openLibvirt = lazyLibrary(LIBRARY, SYMBOLS, BackendError);
let library: Libvirt | undefined;

/**
 * Opens and initializes libvirt, the first time it is called.
 *
 * @throws {BackendError} when it is not installed or does not come up
 */
export function loadLibvirt(): Libvirt {
  if (library !== undefined) return library;
  const loaded = openLibvirt();
  // The event loop has to be there before the first connection is opened, and cannot be taken away again.
  if (loaded.virInitialize() < 0 || loaded.virEventRegisterDefaultImpl() < 0) {
    throw new BackendError(
      "libvirt could not initialize itself; the reason is on stderr",
    );
  }
  return library = loaded;
}

/** Who is told what libvirt reports of a connection. */
export interface Listener {
  /** The domain is libvirt's and valid during the call; the numbers are `virDomainEventType` and its detail. */
  onDomainEvent(
    domain: Deno.PointerObject,
    event: number,
    detail: number,
  ): void;
  /** The guest was reset, by itself or by somebody; the domain is as above. */
  onReboot(domain: Deno.PointerObject): void;
  /** `reason` is a `virConnectCloseReason`. */
  onClose(reason: number): void;
}

/**
 * libvirt with its error handler and event loop at work.
 *
 * libvirt calls back on threads of its own. The callbacks belong to the runtime and not to a connection, because memory
 * of a callback may be freed only when no thread can be inside it, which is certain once the event loop has ended. They
 * are registered with a connection's token in the place of libvirt's `opaque` pointer.
 */
export class Runtime {
  readonly listeners = new Map<bigint, Listener>();
  readonly #errors = new Map<bigint, LibvirtError>();

  /**
   * libvirt keeps the last error per thread, and a nonblocking call runs on a thread that nobody can ask afterwards. But
   * it also hands each error to a handler, the connection's own if it has one, before the failing call returns.
   */
  readonly errorCallback = Deno.UnsafeCallback.threadSafe(
    ERROR_FUNC,
    (token, error) => {
      if (error !== null) {
        this.#errors.set(Deno.UnsafePointer.value(token), readVirError(error));
      }
    },
  );
  readonly domainEventCallback = Deno.UnsafeCallback.threadSafe(
    DOMAIN_EVENT_CALLBACK,
    (_connection, domain, event, detail, token) => {
      if (domain !== null) {
        this.listeners.get(Deno.UnsafePointer.value(token))
          ?.onDomainEvent(domain, event, detail);
      }
      return 0;
    },
  );
  readonly rebootCallback = Deno.UnsafeCallback.threadSafe(
    DOMAIN_CALLBACK,
    (_connection, domain, token) => {
      if (domain !== null) {
        this.listeners.get(Deno.UnsafePointer.value(token))?.onReboot(domain);
      }
    },
  );
  readonly closeCallback = Deno.UnsafeCallback.threadSafe(
    CLOSE_FUNC,
    (_connection, reason, token) =>
      this.listeners.get(Deno.UnsafePointer.value(token))?.onClose(reason),
  );
  readonly #stopCallback = Deno.UnsafeCallback.threadSafe(
    FREE_CALLBACK,
    () => {
      this.#stop = true;
    },
  );
  readonly #timer: number;
  readonly #loop: Promise<void>;
  #stop = false;

  constructor(readonly libvirt: Libvirt) {
    libvirt.virSetErrorFunc(null, this.errorCallback.pointer);
    // A timer that never fires. Removing it wakes the event loop, which then frees whatever was removed earlier and
    // calls the timer's free function last.
    this.#timer = libvirt.virEventAddTimeout(
      -1,
      null,
      null,
      this.#stopCallback.pointer,
    );
    this.#loop = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stop) {
      if (await this.libvirt.virEventRunDefaultImpl() < 0) {
        log("backend").error(
          "libvirt's event loop failed; trying again in a second",
        );
        await delay(1000);
      }
    }
  }

  /**
   * The error that the call which just failed reported. A connection makes one call at a time, so it is the last one
   * under the connection's token; calls without a connection, one at a time too, have the token 0.
   */
  takeError(token: bigint): LibvirtError {
    const error = this.#errors.get(token);
    this.#errors.delete(token);
    return error ?? new LibvirtError("no reason given");
  }

  /** Drops what is kept for a connection. */
  forget(token: bigint): void {
    this.listeners.delete(token);
    this.#errors.delete(token);
  }

  async stop(): Promise<void> {
    this.libvirt.virEventRemoveTimeout(this.#timer);
    await this.#loop;
    this.libvirt.virSetErrorFunc(null, null);
    this.errorCallback.close();
    this.domainEventCallback.close();
    this.rebootCallback.close();
    this.closeCallback.close();
    this.#stopCallback.close();
  }
}

let runtime: Runtime | undefined;
let holders = 0;
let stopping = Promise.resolve();

/** The runtime, started if need be. Each call wants one {@linkcode releaseRuntime} when everything made with it is gone. */
export async function acquireRuntime(): Promise<Runtime> {
  const libvirt = loadLibvirt();
  holders++;
  await stopping;
  return runtime ??= new Runtime(libvirt);
}

/** Resolves when the event loop has ended, if this was its last holder. */
export async function releaseRuntime(): Promise<void> {
  if (--holders > 0) return;
  const last = runtime;
  runtime = undefined;
  stopping = last?.stop() ?? stopping;
  await stopping;
}
