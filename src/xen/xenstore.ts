/**
 * Reading and writing xenstore. For hearing of changes, see watches.ts.
 *
 * @module
 */
import { cString, readCString } from "../ffi/c_string.ts";
import { Connection, XenstoreError } from "./libxenstore.ts";

/** Bytes that a request's payload, a path and a value, may have (`XENSTORE_PAYLOAD_MAX`, xs_wire.h). */
export const PAYLOAD_MAX = 4096;

/** No transaction (`XBT_NULL`). */
const XBT_NULL = 0;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** xenstore, as it is now. Methods reject with {@linkcode XenstoreError}. */
export class Xenstore implements AsyncDisposable {
  private constructor(readonly connection: Connection) {}

  static async open(): Promise<Xenstore> {
    return new Xenstore(await Connection.open());
  }

  /** The value of a key, or undefined where there is no such key. */
  async read(path: string): Promise<string | undefined> {
    const { xs, handle } = this.connection;
    const name = cString(path);
    const length = new Uint32Array(1);
    const value = await this.connection.call(
      [name, length],
      xs.xs_read(handle, XBT_NULL, name, length),
    );
    if (value === null) return await this.#absent(path);
    const bytes = Deno.UnsafePointerView.getArrayBuffer(value, length[0]);
    const text = decoder.decode(bytes.slice(0));
    xs.free(value);
    return text;
  }

  /** The names below a key, none where there is no such key. */
  async list(path: string): Promise<string[]> {
    return await this.#list(path) ?? await this.#absent(path) ?? [];
  }

  /** Sets a key, and makes it and those above it where they are missing. */
  async write(path: string, value: string): Promise<void> {
    const { xs, handle } = this.connection;
    const name = cString(path);
    const data = encoder.encode(value);
    const written = await this.connection.call(
      [name, data],
      xs.xs_write(handle, XBT_NULL, name, data, data.length),
    );
    if (!written) {
      throw new XenstoreError(
        `xenstored does not write ${data.length} bytes to ${path}`,
      );
    }
  }

  /** Removes a key and those below it; one that is not there is fine. */
  async remove(path: string): Promise<void> {
    const { xs, handle } = this.connection;
    const name = cString(path);
    const removed = await this.connection.call(
      [name],
      xs.xs_rm(handle, XBT_NULL, name),
    );
    if (!removed) await this.#absent(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
  }

  async #list(path: string): Promise<string[] | undefined> {
    const { xs, handle } = this.connection;
    const name = cString(path);
    const count = new Uint32Array(1);
    const entries = await this.connection.call(
      [name, count],
      xs.xs_directory(handle, XBT_NULL, name, count),
    );
    if (entries === null) return undefined;
    const view = new Deno.UnsafePointerView(entries);
    const names = Array.from(
      { length: count[0] },
      (_, i) => readCString(view.getPointer(i * 8)!),
    );
    xs.free(entries);
    return names;
  }

  /** Why a call failed (errno) only its own thread could have asked. So this asks for what is always there. */
  async #absent(path: string): Promise<undefined> {
    if (await this.#list("/") === undefined) {
      throw new XenstoreError(
        `cannot look up ${path} in xenstore: xenstored does not answer any more`,
      );
    }
  }
}
