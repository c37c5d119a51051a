/**
 * How long to leave a machine alone that could not be started.
 *
 * @module
 */

/** Milliseconds after the first failure; every further one doubles it. */
const FIRST = 1000;
/** Milliseconds that it never exceeds. */
const LONGEST = 60_000;

/** Counts failures in a row and says when the next try is due. */
export class Backoff {
  readonly #now: () => number;
  #failures = 0;
  #until = -Infinity;

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a failure. Returns the milliseconds to wait from now on. */
  failed(): number {
    const delay = Math.min(FIRST * 2 ** this.#failures, LONGEST);
    this.#failures++;
    this.#until = this.#now() + delay;
    return delay;
  }

  /** Forgets all failures. */
  succeeded(): void {
    this.#failures = 0;
    this.#until = -Infinity;
  }

  /** Milliseconds until the next try is due; 0 when it is. */
  left(): number {
    return Math.max(0, this.#until - this.#now());
  }
}
