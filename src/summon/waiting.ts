/**
 * Those who wait for one machine to become ready.
 *
 * @module
 */
import { timer } from "../wait.ts";
import { handled } from "./operations.ts";
import type { Cause, Origin } from "./states.ts";

/**
 * Milliseconds that a query waits for at the most, where nothing longer was configured: the stub resolvers of glibc and
 * systemd give up after 5 s (resolv.conf(5), RES_TIMEOUT), and what is answered by then can say why.
 */
export const ANSWER_LIMIT = 4500;

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

/** A summons in flight: everybody who asks meanwhile joins it. */
export class Summons implements Cause {
  readonly origin: Origin;
  readonly cause: string;
  /** When it began, by the summoner's clock. */
  readonly since: number;
  readonly #waiters = new Set<Waiter>();
  readonly #left = Promise.withResolvers<void>();

  /** `since` is by the summoner's clock. */
  constructor({ origin, cause }: Cause, since: number) {
    this.origin = origin;
    this.cause = cause;
    this.since = since;
  }

  /** Resolves as soon as nobody waits any more, which can be before the summons is over. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  /**
   * Resolves or rejects as the summons does; needs no handler. With `whyLate`, rejects with what that says when
   * {@linkcode ANSWER_LIMIT} is over and it says anything; otherwise waits on.
   */
  join(whyLate?: () => string | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    this.#waiters.add(waiter);
    if (whyLate === undefined) return handled(promise);
    const clock = timer(() => {
      const why = whyLate();
      if (why === undefined) return;
      reject(new Error(why));
      this.#waiters.delete(waiter);
      if (this.#waiters.size === 0) this.#left.resolve();
    }, ANSWER_LIMIT);
    const done = () => clearTimeout(clock);
    promise.then(done, done);
    return promise;
  }

  /** The summons is over. */
  settle(error?: Error): void {
    for (const { resolve, reject } of this.#waiters) {
      if (error === undefined) resolve();
      else reject(error);
    }
    this.#waiters.clear();
    this.#left.resolve();
  }
}
