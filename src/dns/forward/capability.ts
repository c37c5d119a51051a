/**
 * Whether a server can do something, as far as its replies tell.
 *
 * What one reply lacks says little: the name may be odd, or the reply forged, and whoever has a zone can make both. So
 * that counts for its question alone, and a server that has once shown that it can is never taken for one that cannot.
 *
 * @module
 */

/** How many questions in a row a server that has never shown it must fail at. */
const QUESTIONS = 3;
/** Milliseconds for which it is then believed that it cannot. */
const INCAPABLE_FOR = 15 * 60_000;

/** Times are milliseconds on a monotonic clock and given by the caller. */
export class Capability {
  #shown = false;
  readonly #lacking = new Set<string>();
  #incapableUntil = -Infinity;

  /** Whether to go on taking it for able. */
  isAssumed(now: number): boolean {
    return now >= this.#incapableUntil;
  }

  /** A reply shows that it can. */
  shown(): void {
    this.#shown = true;
    this.#lacking.clear();
    this.#incapableUntil = -Infinity;
  }

  /** A reply to `question` lacked it. Returns whether that made the difference: it is not taken for able from now on. */
  lacking(question: string, now: number): boolean {
    if (this.#shown || !this.isAssumed(now)) return false;
    this.#lacking.add(question);
    if (this.#lacking.size < QUESTIONS) return false;
    this.#lacking.clear();
    this.#incapableUntil = now + INCAPABLE_FOR;
    return true;
  }
}
