/**
 * Hearing of changes in xenstore, without asking again and again.
 *
 * All watches of the process share one connection and one call that waits in Deno's thread pool for whatever happens. It
 * is there while there are watches, and with the last of them it ends; otherwise it would keep the process from ending.
 *
 * @module
 */
import { cString, readCString } from "../ffi/c_string.ts";
import { Connection, XenstoreError } from "./libxenstore.ts";

/** Who is told of a change. */
export interface WatchListener {
  /** What is watched, something below it or, for a special watch, the event has changed. Called once at the beginning. */
  onEvent(): void;
  /** The connection to xenstored is gone, nothing will be told any more. */
  onLost(error: XenstoreError): void;
}

/** Ends a watch; when it resolves, nothing is told any more. */
export type Unwatch = () => Promise<void>;

/** The connection with all watches; none where nothing is watched. */
let current: Watches | undefined;

/**
 * Watches a path of xenstore, or one of the special watches `@introduceDomain` and `@releaseDomain`
 * (docs/misc/xenstore.txt). Rejects with {@linkcode XenstoreError}.
 */
export function watch(
  path: string,
  listener: WatchListener,
): Promise<Unwatch> {
  return (current ??= new Watches()).add(path, listener);
}

/** The token of the watch that ends the waiting, since every watch is told of once when it is set. */
const STOP = "stop";

class Watches {
  /** By token. */
  readonly #listeners = new Map<string, WatchListener>();
  readonly #connection = Connection.open();
  #lastToken = 0;
  #waiting?: Promise<void>;
  #lost?: XenstoreError;

  async add(path: string, listener: WatchListener): Promise<Unwatch> {
    const token = String(++this.#lastToken);
    this.#listeners.set(token, listener); // keeps the connection open from now on
    try {
      const connection = await this.#connection;
      this.#waiting ??= this.#wait(connection);
      if (!await this.#call("xs_watch", path, token)) {
        throw this.#lost ??
          new XenstoreError(`xenstored does not watch ${path}`);
      }
    } catch (error) {
      await this.#remove(token);
      throw error;
    }
    return () => this.#unwatch(path, token);
  }

  async #unwatch(path: string, token: string): Promise<void> {
    if (this.#lost) return;
    await this.#call("xs_unwatch", path, token);
    await this.#remove(token);
  }

  async #remove(token: string): Promise<void> {
    this.#listeners.delete(token);
    if (this.#listeners.size > 0 || current !== this) return;
    current = undefined;
    if (this.#waiting === undefined) return; // there was no connecting
    await this.#call("xs_watch", "@releaseDomain", STOP);
    await this.#waiting;
  }

  async #call(
    name: "xs_watch" | "xs_unwatch",
    path: string,
    token: string,
  ): Promise<boolean> {
    const connection = await this.#connection;
    const strings = [cString(path), cString(token)] as const;
    return await connection.call(
      strings,
      connection.xs[name](connection.handle, ...strings),
    );
  }

  /** Tells of events until there is nobody left to tell, then closes the connection. */
  async #wait(connection: Connection): Promise<void> {
    const { xs, handle } = connection;
    const count = new Uint32Array(1);
    for (;;) {
      const event = await connection.call(
        [count],
        xs.xs_read_watch(handle, count),
      );
      if (event === null) {
        this.#lose();
        break;
      }
      const token = readCString(
        new Deno.UnsafePointerView(event).getPointer(8)!,
      );
      xs.free(event);
      if (token === STOP) break;
      this.#listeners.get(token)?.onEvent();
    }
    await connection.close();
  }

  #lose(): void {
    this.#lost = new XenstoreError("the connection to xenstored was lost");
    if (current === this) current = undefined;
    for (const each of this.#listeners.values()) each.onLost(this.#lost);
  }
}
