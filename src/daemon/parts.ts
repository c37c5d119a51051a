/**
 * What the daemon is made of while it runs. Each part is opened after those that it needs, and the last one opened is
 * closed first: after a start that failed half-way, when a start is broken off, and at the end.
 *
 * @module
 */
import { log } from "../log.ts";
import { unlessAborted, within } from "../wait.ts";

/** Milliseconds that all parts which are late have, together, once they have been told to close. */
const LAST_TIME = 300;

/** See the module's comment. */
export class Parts {
  readonly #stack = new AsyncDisposableStack();
  readonly #stop: AbortSignal;
  /** When no part is waited for any more. */
  #end = Infinity;
  /** Those that were still closing then. */
  readonly #late: Promise<void>[] = [];

  /** @param stop breaks off what is being opened */
  constructor(stop: AbortSignal) {
    this.#stop = stop;
  }

  /** Adds a part that is there. What `close` throws is logged, and keeps no other part from being closed. */
  add(what: string, close: () => Promise<void> | void): void {
    this.#stack.defer(() => this.#close(what, close));
  }

  /**
   * Opens a part and adds it. Rejects with the reason of `stop` when that aborts: what is open too late is closed all
   * the same.
   */
  async open<T>(
    what: string,
    open: () => Promise<T> | T,
    close: (part: T) => Promise<void> | void,
  ): Promise<T> {
    this.#stop.throwIfAborted();
    const opening = Promise.try(open);
    this.add(what, async () => {
      // Why it could not be opened has been told to whoever opened it.
      const opened = await opening.then((part) => ({ part }), () => undefined);
      if (opened) await close(opened.part);
    });
    return await unlessAborted(this.#stop, opening);
  }

  /** Closes them one after the other; those whose turn has not come after `ms` milliseconds all at once. */
  async close(ms: number): Promise<void> {
    this.#end = performance.now() + ms;
    await this.#stack.disposeAsync();
    await within(LAST_TIME, Promise.all(this.#late));
  }

  async #close(what: string, close: () => Promise<void> | void) {
    const closing = Promise.try(close).then(
      () => true,
      (error) => {
        log("jitsu").error(
          `closing ${what} failed: ${(error as Error).message}`,
          { event: "close-failed", what },
        );
        return true;
      },
    );
    if (await within(this.#end - performance.now(), closing)) return;
    log("jitsu").warn(`closing ${what} takes too long to wait for`, {
      event: "close-late",
      what,
    });
    this.#late.push(closing.then(() => {}));
  }
}
