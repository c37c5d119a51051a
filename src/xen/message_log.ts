/**
 * Where a library of Xen's writes its log, for us to read: a file in memory. Children that libxl forks write to it as
 * well, which they could not if it were a buffer or a callback of this process.
 *
 * @module
 */
import { cString } from "../ffi/c_string.ts";

/**
 * What a log is made with: functions of libxentoollog (xentoollog.h) and of the C library. A library that logs depends
 * on both, so that they are found through it.
 */
export const LOG_SYMBOLS = {
  xtl_createlogger_stdiostream: {
    parameters: [
      "pointer", // FILE *f
      "i32", // xentoollog_level min_level
      "u32", // unsigned flags
    ],
    result: "pointer", // xentoollog_logger_stdiostream *
  },

  xtl_logger_destroy: {
    parameters: [
      "pointer", // struct xentoollog_logger *logger
    ],
    result: "void",
  },

  memfd_create: {
    parameters: [
      "buffer", // const char *name
      "u32", // unsigned int flags
    ],
    result: "i32",
  },

  pread: {
    parameters: [
      "i32", // int fd
      "buffer", // void *buf
      "usize", // size_t count
      "i64", // off_t offset
    ],
    result: "isize",
  },

  ftruncate: {
    parameters: [
      "i32", // int fd
      "i64", // off_t length
    ],
    result: "i32",
  },

  fdopen: {
    parameters: [
      "i32", // int fd
      "buffer", // const char *mode
    ],
    result: "pointer", // FILE *
  },

  fclose: {
    parameters: [
      "pointer", // FILE *stream
    ],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

type Library = Deno.DynamicLibrary<typeof LOG_SYMBOLS>["symbols"];

const MFD_CLOEXEC = 1;
/** `XTL_INFO` (xentoollog.h). Below are progress and debugging, above notices, warnings and errors. */
const XTL_INFO = 5;

/** Bytes that are read at once. */
const CHUNK = 16 * 1024;

/** A `xentoollog_logger` and what was written to it. */
export class MessageLog {
  readonly logger: Deno.PointerObject;
  readonly #library: Library;
  readonly #fd: number;
  readonly #stream: Deno.PointerObject;

  constructor(library: Library) {
    this.#library = library;
    this.#fd = library.memfd_create(cString("xentoollog"), MFD_CLOEXEC);
    const stream = this.#fd < 0 ? null : library.fdopen(this.#fd, cString("a"));
    const logger = stream &&
      library.xtl_createlogger_stdiostream(stream, XTL_INFO, 0);
    if (logger === null) throw new Error("cannot make a log for Xen's library");
    this.#stream = stream!;
    this.logger = logger;
  }

  /** What was written since this was last called, lines like `libxl: error: ...`. */
  take(): string {
    const decoder = new TextDecoder();
    const chunk = new Uint8Array(CHUNK);
    let text = "";
    for (let at = 0;;) {
      const size = this.#library.pread(
        this.#fd,
        chunk,
        BigInt(CHUNK),
        BigInt(at),
      );
      if (size <= 0n) break;
      text += decoder.decode(chunk.subarray(0, Number(size)), { stream: true });
      at += Number(size);
    }
    if (text !== "") this.#library.ftruncate(this.#fd, 0n);
    return text;
  }

  /** Nobody may use the logger any more. */
  close(): void {
    this.#library.xtl_logger_destroy(this.logger);
    this.#library.fclose(this.#stream);
  }
}
