/**
 * How long to leave a machine alone that could not be started, or that goes off by itself soon after it was ready, again
 * and again.
 *
 * @module
 */

/** Milliseconds after the first failure; every further one doubles it. */
const FIRST = 1000;
/** Milliseconds that it never exceeds. */
const LONGEST = 60_000;

/** Milliseconds after which a machine that is ready stands, and does not just come and go. */
const STEADY = 60_000;
/** How often in a row a machine goes off sooner than that until it is taken for one that will do so again. */
export const CRASH_LOOP = 3;

/** Counts failures in a row and says when the next try is due. */
export class Backoff {
  readonly #now: () => number;
  #failures = 0;
  #until = -Infinity;
  #crashes = 0;

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

  /** It became ready: whatever failed before is forgotten, unless it is one that comes and goes. */
  becameReady(): void {
    if (this.#crashes === 0) this.forget();
  }

  /**
   * It went off by itself that many milliseconds after it was ready. Returns how often in a row it did so soon; 0 where it
   * had stood for long enough.
   */
  wentOff(lived: number): number {
    if (lived < STEADY) return ++this.#crashes;
    this.forget();
    return 0;
  }

  /** Forgets all failures. */
  forget(): void {
    this.#failures = 0;
    this.#crashes = 0;
    this.#until = -Infinity;
  }

  /** Milliseconds until the next try is due; 0 when it is. */
  left(): number {
    return Math.max(0, this.#until - this.#now());
  }
}
