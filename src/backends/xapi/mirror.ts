/**
 * The objects of a pool that we follow, as the pool has them: read once, then kept up to date by `event.from`.
 *
 * One loop reads and polls in turns, so that no record is ever followed by an older one. What is followed is subscribed
 * to by object, not by class: in a pool of thousands of VMs the events of all of them would be many, and each brings the
 * whole record of its VM.
 *
 * @module
 */
import { log } from "../../log.ts";
import { BackendError } from "../backend.ts";
import {
  isXapiError,
  Slow,
  Unreachable,
  Unreadable,
  XapiError,
} from "./errors.ts";
import { readEvents, text, texts } from "./records.ts";
import type { Session } from "./session.ts";
import type { Value } from "./xmlrpc.ts";
import { delay } from "../../wait.ts";

/** Seconds after which the pool answers a poll although nothing happened; milliseconds after which we miss the answer. */
const POLL_TIME = 30, POLL_TIMEOUT = 45_000;
/** Milliseconds that the newest object must have been followed for before we poll: many come at once at the start. */
const SETTLE_TIME = 20;
/** Objects that a poll names. XAPI reads calls of up to 300 KiB; above this, whole classes are subscribed to. */
const MAX_OBJECTS = 1000;
/** Records that are read at the same time. */
const READERS = 8;
/** Milliseconds until we try again after the second failure in a row; doubles with each. The first try is at once. */
const FIRST_RETRY = 250, LAST_RETRY = 15_000;

const CLOSED = "the connection to the pool is closed";

/** What can be followed. */
const CLASSES = ["VM", "VM_guest_metrics", "task"] as const;
export type Class = typeof CLASSES[number];

export interface Follower {
  /** Told of the object as it is now, or of nothing where it is gone. May throw BackendError. */
  told(record: Value | undefined): void;
  /** Told that the object as it is now cannot be read, while others can. */
  unreadable?(error: Error): void;
  /** Told each time that the pool was tried and could not be reached. */
  lost?(error: Error): void;
}

interface Follow {
  type: Class;
  ref: string;
  follower: Follower;
  /** Somebody waits until the object has been read. */
  reading?: PromiseWithResolvers<void>;
}

export class Mirror {
  readonly #session: Session;
  readonly #follows = new Set<Follow>();
  /** Those to be read before the next poll. */
  readonly #stale = new Set<Follow>();
  /** Where the events go on; nothing where all is to be read anew. */
  #token?: string;
  #poll?: AbortController;
  /** When something was to be read last. */
  #newest = -Infinity;
  /** While the pool cannot be reached: since when, and what settles with the next attempt. */
  #outage?: { since: number; attempt: PromiseWithResolvers<void> };
  #endPause?: () => void;
  #running = Promise.resolve();
  #closed = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Begins. Rejects with BackendError where the pool does not let us. */
  async start(): Promise<void> {
    this.#token = await this.#now();
    this.#running = this.#run();
  }

  /** Ends when the calls of its session have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#poll?.abort();
    this.#endPause?.();
    await this.#running;
    this.#tellLost(new BackendError(CLOSED));
  }

  /**
   * Tells of an object now, and whenever it changes until the function that this resolves with is called. Resolves once
   * it was told for the first time; rejects with BackendError where it cannot be read now.
   */
  async follow(
    type: Class,
    ref: string,
    follower: Follower,
  ): Promise<() => void> {
    const follow: Follow = { type, ref, follower };
    const unfollow = () => {
      this.#follows.delete(follow);
      this.#stale.delete(follow);
    };
    this.#follows.add(follow);
    try {
      await this.#readBeforePoll([follow]);
    } catch (error) {
      unfollow();
      throw error;
    }
    return unfollow;
  }

  /** Tells of an object that is followed as it is now. Rejects with BackendError where it cannot be read now. */
  async reread(ref: string): Promise<void> {
    await this.#readBeforePoll(
      [...this.#follows].filter((follow) => follow.ref === ref),
    );
  }

  /** Resolves when what was told last is true; rejects with BackendError where the pool cannot be reached now. */
  async fresh(): Promise<void> {
    if (this.#closed) throw new BackendError(CLOSED);
    if (this.#outage === undefined) return;
    this.#endPause?.(); // the pool may be back already
    await this.#outage.attempt.promise;
  }

  async #readBeforePoll(follows: Follow[]): Promise<void> {
    if (this.#closed) throw new BackendError(CLOSED);
    this.#newest = performance.now();
    const reads = follows.map((follow) => {
      this.#stale.add(follow);
      follow.reading ??= Promise.withResolvers<void>();
      return follow.reading.promise;
    });
    this.#poll?.abort();
    this.#endPause?.();
    await Promise.all(reads);
  }

  async #run(): Promise<void> {
    let wait = 0;
    while (!this.#closed) {
      try {
        this.#token ??= await this.#now();
        await this.#readStale();
        this.#reached();
        if (await this.#pollFor(this.#token)) wait = 0;
      } catch (error) {
        if (this.#closed) return;
        this.#token = undefined;
        for (const follow of this.#follows) this.#stale.add(follow);
        if (wait > 0 && !(error instanceof Unreadable)) {
          this.#missed(error as Error);
        } else log("backend").info(`${(error as Error).message}; reading anew`);
        await this.#pause(wait);
        wait = Math.min(2 * wait || FIRST_RETRY, LAST_RETRY);
      }
    }
  }

  /**
   * Where the events stand now; what is read from here on is not older. Every host that serves its pool can tell. One in
   * emergency mode answers this and all else with whatever error it came from.
   */
  async #now(): Promise<string> {
    try {
      const [pool] = texts(
        await this.#session.call("pool.get_all"),
        "pool.get_all",
      );
      const token = await this.#session.call("event.inject", "pool", pool);
      return text(token, "event.inject");
    } catch (error) {
      if (!(error instanceof Unreachable)) this.#session.leave();
      throw error;
    }
  }

  /** Reads what is to be read. Rejects where the pool cannot be reached. */
  async #readStale(): Promise<void> {
    while (this.#stale.size > 0) {
      const next = this.#stale.values();
      const readers = Array.from({ length: READERS }, async () => {
        for (const follow of next) {
          this.#stale.delete(follow);
          await this.#read(follow);
        }
      });
      // All must have come to their end: a record that comes in later could be older than an event.
      for (const end of await Promise.allSettled(readers)) {
        if (end.status === "rejected") throw end.reason;
      }
    }
  }

  async #read(follow: Follow): Promise<void> {
    // Whoever comes to wait from here on wants it read again.
    const { type, ref, reading } = follow;
    follow.reading = undefined;
    let record: Value | undefined;
    try {
      record = await this.#session.call(`${type}.get_record`, ref);
    } catch (error) {
      if (!isXapiError(error, "HANDLE_INVALID")) {
        reading?.reject(error);
        if (!isOfOneCall(error)) throw error;
        if (this.#follows.has(follow)) follow.follower.unreadable?.(error);
        return;
      }
    }
    this.#tell(follow, record, reading);
  }

  #tell(
    follow: Follow,
    record: Value | undefined,
    reading?: PromiseWithResolvers<void>,
  ): void {
    if (!this.#follows.has(follow)) return;
    try {
      follow.follower.told(record);
      reading?.resolve();
    } catch (error) {
      if (reading === undefined) log("backend").warn((error as Error).message);
      reading?.reject(error);
    }
  }

  /** Waits for events, and tells of them. Resolves with false where it was cut short. */
  async #pollFor(token: string): Promise<boolean> {
    const age = performance.now() - this.#newest;
    if (age < SETTLE_TIME) await this.#pause(SETTLE_TIME - age);
    else if (this.#follows.size === 0) await this.#pause(POLL_TIME * 1000);
    if (this.#stale.size > 0 || this.#closed) return false;
    const poll = this.#poll = new AbortController();
    try {
      const batch = readEvents(
        await this.#session.attempt(
          "event.from",
          [this.#subscriptions(), token, POLL_TIME],
          POLL_TIMEOUT,
          poll.signal,
        ),
      );
      for (const { type, ref, record } of batch.events) {
        for (const follow of this.#follows) {
          if (follow.ref === ref && follow.type.toLowerCase() === type) {
            this.#tell(follow, record);
          }
        }
      }
      this.#token = batch.token;
      if (batch.events.length === 0) {
        // XAPI tells nothing of what came and went since the token before, as a task may that somebody removes.
        for (const follow of this.#follows) {
          if (follow.type === "task") this.#stale.add(follow);
        }
      }
      return true;
    } catch (error) {
      if (poll.signal.aborted) return false;
      throw error;
    } finally {
      this.#poll = undefined;
    }
  }

  #subscriptions(): string[] {
    return this.#follows.size <= MAX_OBJECTS
      ? [...this.#follows].map(({ type, ref }) =>
        `${type.toLowerCase()}/${ref}`
      )
      : CLASSES.map((type) => type.toLowerCase());
  }

  #reached(): void {
    if (this.#outage === undefined) return;
    const seconds = (performance.now() - this.#outage.since) / 1000;
    log("backend").info(
      `XAPI at ${this.#session.url} is reached again after ${
        seconds.toFixed(1)
      } s`,
    );
    this.#outage.attempt.resolve();
    this.#outage = undefined;
  }

  /** Notes that the pool was tried in vain. */
  #missed(error: Error): void {
    if (this.#outage === undefined) {
      log("backend").warn(`the pool is lost: ${error.message}`);
    }
    this.#tellLost(
      new BackendError(`${error.message}; it is tried again and again`),
    );
    const attempt = Promise.withResolvers<void>();
    attempt.promise.catch(() => {}); // nobody may wait for it
    const since = this.#outage?.since ?? performance.now();
    this.#outage = { since, attempt };
  }

  #tellLost(error: BackendError): void {
    this.#outage?.attempt.reject(error);
    for (const follow of this.#follows) {
      follow.reading?.reject(error);
      follow.reading = undefined;
      follow.follower.lost?.(error);
    }
  }

  async #pause(ms: number): Promise<void> {
    const pause = new AbortController();
    this.#endPause = () => pause.abort();
    await delay(ms, pause.signal).catch(() => {});
    this.#endPause = undefined;
  }
}

/** Whether a call failed for what it asked for alone, so that others may do. */
function isOfOneCall(error: unknown): error is XapiError | Unreadable | Slow {
  return error instanceof XapiError || error instanceof Unreadable ||
    error instanceof Slow;
}
