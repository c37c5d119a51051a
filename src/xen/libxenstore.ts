/**
 * The functions of libxenstore (xenstore.h) that Jitsu calls, each with its C prototype, and opening them.
 *
 * All but `free` is `nonblocking`: each call waits for xenstored, which may be busy.
 *
 * @module
 */
import { holding } from "../ffi/hold.ts";
import { FREE } from "../ffi/libc.ts";
import { lazyLibrary } from "../ffi/library.ts";

const SYMBOLS = {
  xs_open: {
    parameters: [
      "usize", // unsigned long flags
    ],
    result: "pointer", // struct xs_handle *
    nonblocking: true,
  },

  xs_close: {
    parameters: [
      "pointer", // struct xs_handle *xsh
    ],
    result: "void",
    nonblocking: true,
  },

  xs_read: {
    parameters: [
      "pointer", // struct xs_handle *h
      "u32", // xs_transaction_t t
      "buffer", // const char *path
      "buffer", // unsigned int *len
    ],
    result: "pointer", // void *, to be freed
    nonblocking: true,
  },

  xs_directory: {
    parameters: [
      "pointer", // struct xs_handle *h
      "u32", // xs_transaction_t t
      "buffer", // const char *path
      "buffer", // unsigned int *num
    ],
    result: "pointer", // char **, one block with its strings, to be freed
    nonblocking: true,
  },

  xs_write: {
    parameters: [
      "pointer", // struct xs_handle *h
      "u32", // xs_transaction_t t
      "buffer", // const char *path
      "buffer", // const void *data
      "u32", // unsigned int len
    ],
    result: "bool",
    nonblocking: true,
  },

  xs_rm: {
    parameters: [
      "pointer", // struct xs_handle *h
      "u32", // xs_transaction_t t
      "buffer", // const char *path
    ],
    result: "bool",
    nonblocking: true,
  },

  xs_watch: {
    parameters: [
      "pointer", // struct xs_handle *h
      "buffer", // const char *path
      "buffer", // const char *token
    ],
    result: "bool",
    nonblocking: true,
  },

  xs_unwatch: {
    parameters: [
      "pointer", // struct xs_handle *h
      "buffer", // const char *path
      "buffer", // const char *token
    ],
    result: "bool",
    nonblocking: true,
  },

  xs_read_watch: {
    parameters: [
      "pointer", // struct xs_handle *h
      "buffer", // unsigned int *num
    ],
    result: "pointer", // char **: path and token, one block with its strings, to be freed
    nonblocking: true,
  },

  ...FREE,
} as const satisfies Deno.ForeignLibraryInterface;

/** libxenstore's functions. */
export type LibXenstore = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const LIBRARY = {
  name: "xenstore",
  candidates: [
    "libxenstore.so.4",
    "libxenstore.so.3.0", // until Xen 4.17
    "/usr/local/lib/libxenstore.so.4",
    "/usr/local/lib64/libxenstore.so.4",
  ],
  install: [
    "apt-get install libxenstore4 (Debian, Ubuntu)",
    "dnf install xen-libs (Fedora, EL)",
    "apk add xen-libs (Alpine)",
  ],
};

/** xenstore cannot be used. The message is one line and says what to do about it. */
export class XenstoreError extends Error {
  override name = "XenstoreError";
}

/**
 * Opens libxenstore, the first time it is called.
 *
 * @throws {XenstoreError} when it is not installed
 */
export const loadLibXenstore: () => LibXenstore = lazyLibrary(
  LIBRARY,
  SYMBOLS,
  XenstoreError,
);

/** A connection to xenstored. Calls may overlap, they wait for each other inside libxenstore. */
export class Connection {
  readonly #calls = new Set<Promise<unknown>>();

  private constructor(
    readonly xs: LibXenstore,
    readonly handle: Deno.PointerObject,
  ) {}

  /** Rejects with {@linkcode XenstoreError}. */
  static async open(): Promise<Connection> {
    const xs = loadLibXenstore();
    const handle = await xs.xs_open(0n);
    if (handle !== null) return new Connection(xs, handle);
    throw new XenstoreError(
      `cannot connect to xenstore: ${
        await isXenHost()
          ? "is Jitsu running as root in dom0, and is xenstored running?"
          : "this is not a Xen host; Jitsu has to run in dom0"
      }`,
    );
  }

  /** The result of a call on this connection; until it is there, the buffers that were given to the call stay alive. */
  async call<T>(
    buffers: readonly BufferSource[],
    call: Promise<T>,
  ): Promise<T> {
    this.#calls.add(call);
    try {
      return await holding(buffers, call);
    } finally {
      this.#calls.delete(call);
    }
  }

  /** Closes it when the calls that are under way have returned. */
  async close(): Promise<void> {
    await Promise.all(this.#calls);
    await this.xs.xs_close(this.handle);
  }
}

/** Whether a Xen hypervisor runs below this system (Documentation/ABI/stable/sysfs-hypervisor-xen). */
async function isXenHost(): Promise<boolean> {
  try {
    return (await Deno.readTextFile("/sys/hypervisor/type")).trim() === "xen";
  } catch {
    return false;
  }
}
