/**
 * The connections that wait for a machine: of each its SYN, as it came last.
 *
 * @module
 */

/** The most that wait for one machine; a further one takes the place of the one that was heard of longest ago. */
export const MAX_HELD = 1024;
/**
 * Milliseconds until somebody who has not sent the SYN again is taken to have given up: the first retransmission is due
 * after 1 s (RFC 6298), or 3 s with what is older (RFC 1122), and each further one after twice as long.
 */
export const FIRST_PATIENCE = 3500;
const FURTHER_PATIENCE = 2.5;

interface Held<T> {
  syn: T;
  /** When it was heard of first and last. */
  since: number;
  at: number;
  expires: number;
}

export class HeldSyns<T> {
  readonly #now: () => number;
  /** By what tells the connection, the one that was heard of longest ago first. */
  readonly #held = new Map<string, Held<T>>();

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Holds the connection from now on, or on. */
  keep(connection: string, syn: T): void {
    const at = this.#now();
    const before = this.#held.get(connection);
    const gap = before === undefined ? 0 : at - before.at;
    const expires = at + Math.max(FIRST_PATIENCE, gap * FURTHER_PATIENCE);
    if (before !== undefined) this.#held.delete(connection);
    else if (this.#held.size >= MAX_HELD) {
      this.#held.delete(this.#held.keys().next().value!);
    }
    const since = before?.since ?? at;
    this.#held.set(connection, { syn, since, at, expires });
  }

  /** Lets go of all. Returns those that somebody still waits for, who has waited longest first. */
  take(): T[] {
    const now = this.#now();
    const all = [...this.#held.values()];
    this.#held.clear();
    return all.filter(({ expires }) => expires > now)
      .sort((a, b) => a.since - b.since).map(({ syn }) => syn);
  }
}
