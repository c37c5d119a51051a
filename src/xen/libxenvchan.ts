/**
 * The functions of libxenvchan (libxenvchan.h) that Jitsu calls, each with its C prototype, and opening them.
 *
 * `nonblocking` is what asks xenstored or maps memory. Sending is a copy into shared memory and, when the other end
 * wants it, an event: it is over at once.
 *
 * @module
 */
import { lazyLibrary } from "../ffi/library.ts";
import { xenLibrary } from "./library.ts";
import { LOG_SYMBOLS } from "./message_log.ts";

const SYMBOLS = {
  libxenvchan_client_init: {
    parameters: [
      "pointer", // struct xentoollog_logger *logger
      "i32", // int domain
      "buffer", // const char *xs_path
    ],
    result: "pointer", // struct libxenvchan *
    nonblocking: true,
  },

  libxenvchan_close: {
    parameters: [
      "pointer", // struct libxenvchan *ctrl
    ],
    result: "void",
    nonblocking: true,
  },

  libxenvchan_is_open: {
    parameters: [
      "pointer", // struct libxenvchan *ctrl
    ],
    result: "i32",
  },

  libxenvchan_buffer_space: {
    parameters: [
      "pointer", // struct libxenvchan *ctrl
    ],
    result: "i32",
  },

  libxenvchan_send: {
    parameters: [
      "pointer", // struct libxenvchan *ctrl
      "buffer", // const void *data
      "usize", // size_t size
    ],
    result: "i32",
  },

  ...LOG_SYMBOLS,
} as const satisfies Deno.ForeignLibraryInterface;

/** libxenvchan's functions. */
export type LibXenvchan = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** A vchan cannot be used. The message is one line. */
export class VchanError extends Error {
  override name = "VchanError";
}

/**
 * Opens libxenvchan, the first time it is called.
 *
 * @throws {VchanError} when it is not installed
 */
export const loadLibXenvchan: () => LibXenvchan = lazyLibrary(
  xenLibrary("libxenvchan"),
  SYMBOLS,
  VchanError,
);
