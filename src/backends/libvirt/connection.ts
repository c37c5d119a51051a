/**
 * One connection to libvirt: one call at a time, failures as {@linkcode LibvirtError}.
 *
 * @module
 */
import { cString, readCString } from "../../ffi/c_string.ts";
import { holding } from "../../ffi/hold.ts";
import { type LibvirtError, VIR_ERR } from "./errors.ts";
import {
  acquireRuntime,
  type Libvirt,
  releaseRuntime,
  type Runtime,
} from "./runtime.ts";

/**
 * A peer that answers nothing for 12 x 5 s is gone. TCP alone would tell after a quarter of an hour or never. One that is
 * busy is not: libvirt's Xen driver answers nothing while it waits for libxl, 30 s for six guests on a slow host.
 */
const KEEPALIVE_INTERVAL_S = 5, KEEPALIVE_COUNT = 12;

/** 0 stands for calls without a connection. */
let lastToken = 0n;
/** Opening has no connection, so no token of its own: one at a time. */
let opening: Promise<unknown> = Promise.resolve();

export class Connection {
  /** What the runtime knows it by. */
  readonly token = ++lastToken;

  private constructor(
    readonly pointer: Deno.PointerObject,
    readonly runtime: Runtime,
  ) {
    this.libvirt.virConnSetErrorFunc(
      pointer,
      Deno.UnsafePointer.create(this.token),
      runtime.errorCallback.pointer,
    );
  }

  /** Rejects with {@linkcode LibvirtError}, or with BackendError when there is no libvirt. */
  static async open(uri: string): Promise<Connection> {
    const runtime = await acquireRuntime();
    const turn = opening.then(() => openPointer(uri, runtime));
    opening = turn.catch(() => {});
    let pointer;
    try {
      pointer = await turn;
    } catch (error) {
      await releaseRuntime();
      throw error;
    }
    const connection = new Connection(pointer, runtime);
    try {
      await connection.#keepAlive();
    } catch (error) {
      await connection.close();
      throw error;
    }
    return connection;
  }

  async #keepAlive(): Promise<void> {
    try {
      await this.call(
        this.libvirt.virConnectSetKeepAlive(
          this.pointer,
          KEEPALIVE_INTERVAL_S,
          KEEPALIVE_COUNT,
        ),
      );
    } catch (error) {
      // A driver in this process has no peer to lose.
      if ((error as LibvirtError).code !== VIR_ERR.NO_SUPPORT) throw error;
    }
  }

  get libvirt(): Libvirt {
    return this.runtime.libvirt;
  }

  /** The result of a call of libvirt on this connection. Rejects where that says failure: NULL or a negative number. */
  async call<T extends number | Deno.PointerValue>(
    call: Promise<T>,
  ): Promise<NonNullable<T>> {
    const result = await call;
    if (result === null || (typeof result === "number" && result < 0)) {
      throw this.runtime.takeError(this.token);
    }
    return result as NonNullable<T>;
  }

  /** The text that a call of libvirt hands out. Rejects as {@linkcode Connection.call} does. */
  async text(call: Promise<Deno.PointerValue>): Promise<string> {
    const pointer = await this.call(call);
    const text = readCString(pointer);
    this.libvirt.free(pointer);
    return text;
  }

  /** Whether calls can still succeed: false once the channel to the daemon is closed. */
  async alive(): Promise<boolean> {
    return await this.libvirt.virConnectIsAlive(this.pointer) === 1;
  }

  async close(): Promise<void> {
    await this.libvirt.virConnectClose(this.pointer);
    this.runtime.forget(this.token);
    await releaseRuntime();
  }
}

async function openPointer(
  uri: string,
  runtime: Runtime,
): Promise<Deno.PointerObject> {
  const name = cString(uri);
  const pointer = await holding([name], runtime.libvirt.virConnectOpen(name));
  if (pointer === null) throw runtime.takeError(0n);
  return pointer;
}
