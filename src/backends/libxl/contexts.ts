/**
 * The libxl contexts of the backend: as many as there are calls at the same time, up to a limit, and used again.
 *
 * @module
 */
import { Limit } from "../../limit.ts";
import { BackendError } from "../backend.ts";
import { Context } from "./context.ts";
import { versionInfo } from "./host.ts";

/**
 * How many calls are made at the same time. Each takes a thread of Deno's pool of 32, which file I/O and name look-ups
 * share; all of them wait for the same xenstored.
 */
const MAX_CALLS = 12;

/** Xen's command line. Rejects with BackendError where there is no Xen, or no libxl to ask. */
export async function xenCommandLine(): Promise<string> {
  const context = await Context.open();
  try {
    return (await versionInfo(context)).commandline ?? "";
  } finally {
    await context.close();
  }
}

export class Contexts {
  readonly #idle: Context[] = [];
  readonly #calls = new Limit(MAX_CALLS);
  #closed = false;

  /** Lends `work` a context of its own, after waiting for one if need be. Rejects with what `work` rejects with. */
  use<T>(work: (context: Context) => Promise<T>): Promise<T> {
    return this.#calls.run(async () => {
      if (this.#closed) throw new BackendError("the libxl backend is closed");
      const context = this.#idle.pop() ?? await Context.open();
      try {
        return await work(context);
      } finally {
        this.#idle.push(context);
      }
    });
  }

  /** Lets calls that are under way finish, refuses those that wait for a context, and closes all contexts. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#calls.idle();
    await Promise.all(this.#idle.splice(0).map((each) => each.close()));
  }
}
