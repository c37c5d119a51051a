/**
 * Where a libxl context writes its log, for us to read: a file in memory. Children that libxl forks write to it as well,
 * which they could not if it were a buffer or a callback of this process.
 *
 * @module
 */
import { cString } from "../../ffi/c_string.ts";
import type { Libxl } from "./library.ts";

const MFD_CLOEXEC = 1;
/** `XTL_INFO` (xentoollog.h). Below are progress and debugging, above notices, warnings and errors. */
const XTL_INFO = 5;

/** Bytes that are read at once. */
const CHUNK = 16 * 1024;

/** A `xentoollog_logger` and what was written to it. */
export class MessageLog {
  readonly logger: Deno.PointerObject;
  readonly #libxl: Libxl;
  readonly #fd: number;
  readonly #stream: Deno.PointerObject;

  constructor(libxl: Libxl) {
    this.#libxl = libxl;
    this.#fd = libxl.memfd_create(cString("libxl log"), MFD_CLOEXEC);
    const stream = this.#fd < 0 ? null : libxl.fdopen(this.#fd, cString("a"));
    const logger = stream &&
      libxl.xtl_createlogger_stdiostream(stream, XTL_INFO, 0);
    if (logger === null) throw new Error("cannot make a log for libxl");
    this.#stream = stream!;
    this.logger = logger;
  }

  /** What was written since this was last called, lines like `libxl: error: ...`. */
  take(): string {
    const decoder = new TextDecoder();
    const chunk = new Uint8Array(CHUNK);
    let text = "";
    for (let at = 0;;) {
      const size = this.#libxl.pread(
        this.#fd,
        chunk,
        BigInt(CHUNK),
        BigInt(at),
      );
      if (size <= 0n) break;
      text += decoder.decode(chunk.subarray(0, Number(size)), { stream: true });
      at += Number(size);
    }
    if (text !== "") this.#libxl.ftruncate(this.#fd, 0n);
    return text;
  }

  /** Nobody may use the logger any more. */
  close(): void {
    this.#libxl.xtl_logger_destroy(this.logger);
    this.#libxl.fclose(this.#stream);
  }
}
