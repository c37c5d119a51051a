/**
 * The store that survives: a database file, written in a thread of its own. Writes that come while others are being
 * written go together into the next transaction; what cannot be written is kept and tried again.
 *
 * SQLite is loaded in that thread, and only when a store is opened.
 *
 * @module
 */
import { resolve } from "node:path";
import type { Write } from "./database.ts";
import {
  type Change,
  type Configuration,
  type HistoryEvent,
  type Statistics,
  type Store,
  type StoredUnikernel,
  StoreError,
  untold,
} from "./store.ts";
import { Thread } from "./thread.ts";

/** How many events are kept: some 20 MB of them. */
const HISTORY_KEPT = 100_000;
/** How many writes wait at the most while none can be made; then the oldest changes of state drop out of history. */
const MAX_PENDING = 10_000;
/** Milliseconds until writes that failed are tried again. */
const RETRY_INTERVAL = 5000;

export interface SqliteOptions {
  /** Whether others may have written the file: for those who only show or change what is in it. */
  anyOwner?: boolean;
  /** How many events are kept; 100,000 unless given. */
  kept?: number;
  /** Told once why nothing can be written. */
  onTrouble?: (trouble: string) => void;
  /** Told when it can be again, and how many changes of state are missing in the history for good. */
  onRecovery?: (missing: number) => void;
  /** Milliseconds between two tries to write while that fails; 5,000 unless given. */
  retryInterval?: number;
}

/** A write, and who waits for it. */
interface Pending {
  write: Write;
  done: PromiseWithResolvers<void>;
}

/** See the module's comment. */
export class SqliteStore implements Store {
  readonly #thread: Thread;
  readonly #options: SqliteOptions;
  /** In their order. Of each unikernel's statistics, only the last that wait are of use, so they have a key of their own. */
  #pending = new Map<unknown, Pending>();
  #flushing?: Promise<void>;
  #trouble?: StoreError;
  #retry?: ReturnType<typeof setTimeout>;
  /** How many changes of state dropped out of history. */
  #missing = 0;

  /** Opens the file, or makes it. Rejects with {@linkcode StoreError} where it is not fit, and leaves it as it is. */
  static async open(
    path: string,
    options: SqliteOptions = {},
  ): Promise<SqliteStore> {
    const thread = new Thread();
    try {
      const { kept = HISTORY_KEPT, anyOwner = false } = options;
      // An absolute path is never one of SQLite's special names, such as ":memory:".
      const args: [string, number, boolean] = [resolve(path), kept, anyOwner];
      await thread.call({ method: "open", args });
    } catch (error) {
      thread.end();
      throw error;
    }
    return new SqliteStore(thread, options);
  }

  private constructor(thread: Thread, options: SqliteOptions) {
    this.#thread = thread;
    this.#options = options;
  }

  configure(configuration: Configuration, change: Change): Promise<void> {
    return this.#write({ kind: "configure", configuration, change });
  }

  remove(name: string, change: Change): Promise<void> {
    return this.#write({ kind: "remove", name, change });
  }

  changeState(
    name: string,
    from: string,
    statistics: Statistics,
    change: Change,
  ): Promise<void> {
    return this.#write({ kind: "changeState", name, from, statistics, change });
  }

  count(name: string, statistics: Statistics): Promise<void> {
    return this.#write({ kind: "count", name, statistics });
  }

  async id(): Promise<string> {
    return await this.#thread.call({ method: "id", args: [] }) as string;
  }

  async unikernels(): Promise<StoredUnikernel[]> {
    await this.#flushing;
    const result = await this.#thread.call({ method: "unikernels", args: [] });
    return result as StoredUnikernel[];
  }

  async history(limit: number, unikernel?: string): Promise<HistoryEvent[]> {
    await this.#flushing;
    const args: [number, string?] = [limit, unikernel];
    return await this.#thread.call({
      method: "history",
      args,
    }) as HistoryEvent[];
  }

  async identityOf(farEnd: string): Promise<string | undefined> {
    await this.#flushing;
    return await this.#thread.call({
      method: "identityOf",
      args: [farEnd],
    }) as string | undefined;
  }

  identify(farEnd: string, identity: string): Promise<void> {
    return this.#write({ kind: "identify", farEnd, identity });
  }

  async close(): Promise<void> {
    clearTimeout(this.#retry);
    try {
      // What was in flight may fail and leave something behind that a last try may write.
      await this.#flushing;
      if (this.#pending.size > 0) await this.#flush();
      clearTimeout(this.#retry);
      await this.#thread.call({ method: "close", args: [] });
    } finally {
      this.#thread.end();
    }
  }

  #write(write: Write): Promise<void> {
    const key = write.kind === "count" ? `count ${write.name}` : write;
    // Whoever waits for older statistics waits for these instead.
    const { done } = this.#pending.get(key) ??
      { done: Promise.withResolvers<void>() };
    this.#pending.delete(key);
    this.#pending.set(key, { write, done });
    done.promise.catch(untold); // whoever does not wait is told by onTrouble
    if (this.#trouble === undefined) this.#flushing ??= this.#flush();
    else {
      done.reject(this.#trouble);
      if (this.#pending.size > MAX_PENDING) this.#drop();
    }
    return done.promise;
  }

  async #flush(): Promise<void> {
    await Promise.resolve(); // so that all of this turn's go together
    while (this.#pending.size > 0) {
      const batch = this.#pending;
      this.#pending = new Map();
      try {
        const writes = [...batch.values()].map(({ write }) => write);
        await this.#thread.call({ method: "apply", args: [writes] });
        for (const { done } of batch.values()) done.resolve();
        this.#recover();
      } catch (error) {
        for (const { done } of batch.values()) done.reject(error);
        if (!(error instanceof StoreError)) continue; // the same would fail for ever
        for (const key of this.#pending.keys()) batch.delete(key);
        this.#pending = new Map([...batch, ...this.#pending]);
        this.#fail(error);
        break;
      }
    }
    this.#flushing = undefined;
  }

  #fail(error: StoreError): void {
    for (const { done } of this.#pending.values()) done.reject(error);
    if (this.#trouble?.message !== error.message) {
      this.#options.onTrouble?.(error.message);
    }
    this.#trouble = error;
    this.#retry = setTimeout(() => {
      this.#flushing ??= this.#flush();
    }, this.#options.retryInterval ?? RETRY_INTERVAL);
  }

  #recover(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#options.onRecovery?.(this.#missing);
    this.#missing = 0;
  }

  /** Makes room: the oldest change of state that waits drops out of history. */
  #drop(): void {
    const writes = [...this.#pending.values()].map(({ write }) => write);
    const oldest = writes.find((write) => write.kind === "changeState");
    if (oldest === undefined) return;
    this.#pending.delete(oldest);
    this.#missing++;
    const { name, statistics } = oldest;
    const isLast = !writes.some((write) =>
      write !== oldest && "statistics" in write && write.name === name
    );
    if (isLast) this.count(name, statistics);
  }
}
