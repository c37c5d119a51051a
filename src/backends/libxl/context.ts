/**
 * A libxl context: one call at a time, failures as {@linkcode LibxlError}. Several contexts work side by side.
 *
 * @module
 */
import { readCString } from "../../ffi/c_string.ts";
import { holding } from "../../ffi/hold.ts";
import { log } from "../../log.ts";
import { MessageLog } from "../../xen/message_log.ts";
import { BackendError } from "../backend.ts";
import { LibxlError } from "./errors.ts";
import { type Libxl, loadLibxl } from "./library.ts";

/** `LIBXL_VERSION` (libxl.h). */
const LIBXL_VERSION = 0;

const SIGCHLD = 17;

/**
 * `libxl_childproc_hooks` (libxl_event.h): `libxl_sigchld_owner chldowner`, then the addresses of two functions, none
 * here. It is the one structure that libxl offers no JSON for. It must outlive the contexts, so its memory is its own.
 *
 * The owner is `libxl_sigchld_owner_libxl_always_selective_reap`: libxl waits for its own children only. With any other
 * it would take the exit codes of Deno's.
 */
const CHILDPROC_HOOKS = new BigUint64Array(new ArrayBuffer(24));
new DataView(CHILDPROC_HOOKS.buffer).setInt32(0, 3, true);

/** How many there are now. */
let contexts = 0;

export class Context {
  private constructor(
    readonly libxl: Libxl,
    readonly pointer: Deno.PointerObject,
    readonly messages: MessageLog,
  ) {}

  /** Rejects with BackendError when there is no libxl, or no Xen to use it on. */
  static async open(): Promise<Context> {
    const libxl = loadLibxl();
    if (contexts === 0 && handlesSigchld()) {
      // libxl would end the process with abort(3).
      throw new BackendError(
        "libxl cannot be used here: this process handles SIGCHLD already, which libxl needs for itself",
      );
    }
    contexts++;
    const messages = new MessageLog(libxl);
    const out = new BigUint64Array(1);
    const code = await holding(
      [out],
      libxl.libxl_ctx_alloc(out, LIBXL_VERSION, 0, messages.logger),
    );
    const pointer = Deno.UnsafePointer.create(out[0]);
    if (code !== 0 || pointer === null) {
      contexts--;
      const error = libxlError(libxl, code, messages.take());
      messages.close();
      throw new BackendError(
        `libxl cannot be used: ${error.message}; is this dom0, is Jitsu root, and does "xl list" work?`,
      );
    }
    libxl.libxl_childproc_setmode(pointer, CHILDPROC_HOOKS, null);
    return new Context(libxl, pointer, messages);
  }

  /**
   * Waits for a call on this context; until it has returned, the buffers that were given to it stay alive. Rejects with
   * {@linkcode LibxlError} when it returns an error.
   */
  async call(
    buffers: readonly BufferSource[],
    call: Promise<number>,
  ): Promise<void> {
    this.check(await holding(buffers, call));
  }

  /** @throws {LibxlError} where `code`, which a call on this context has just returned, is an error */
  check(code: number): void {
    const text = this.messages.take();
    for (const line of text.split("\n")) {
      if (line !== "") log("backend").debug(line);
    }
    if (code < 0) throw libxlError(this.libxl, code, text);
  }

  async close(): Promise<void> {
    await this.libxl.libxl_ctx_free(this.pointer);
    this.messages.close();
    contexts--;
  }
}

function libxlError(libxl: Libxl, code: number, text: string): LibxlError {
  const name = libxl.libxl_error_to_string(code);
  return new LibxlError(
    code,
    name === null
      ? `error ${code}`
      : `ERROR_${readCString(name).toUpperCase()}`,
    text,
  );
}

/** Whether the process has a handler for SIGCHLD (proc_pid_status(5), `SigCgt`). */
function handlesSigchld(): boolean {
  const status = Deno.readTextFileSync("/proc/self/status");
  const [, mask] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(status)!;
  return (BigInt(`0x${mask}`) >> BigInt(SIGCHLD - 1) & 1n) === 1n;
}
