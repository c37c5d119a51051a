/**
 * The way to the thread of the database and back.
 *
 * @module
 */
import { StoreError } from "./store.ts";
import type { Call, Reply } from "./worker.ts";

/** A thread with at most one database. */
export class Thread {
  // A compiled program has this file in it only where `deno compile --include` named it.
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), {
    type: "module",
  });
  readonly #calls: PromiseWithResolvers<unknown>[] = [];
  #failure?: Error;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const call = this.#calls.shift()!;
      if ("result" in data) call.resolve(data.result);
      else call.reject(new (data.known ? StoreError : Error)(data.error));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault(); // or it ends the whole program
      this.#failure = new Error(
        `the database's thread has ended: ${event.message}`,
      );
      for (const call of this.#calls.splice(0)) call.reject(this.#failure);
    };
  }

  /** Makes a call, after those that were made before. Rejects with {@linkcode StoreError}, or with a mistake of ours. */
  call(call: Call): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    const answer = Promise.withResolvers<unknown>();
    this.#calls.push(answer);
    this.#worker.postMessage(call);
    return answer.promise;
  }

  /** Ends it at once. */
  end(): void {
    this.#worker.terminate();
  }
}
