/**
 * How long replies are waited for: a large reply, or a pool that has much to do, may take longer than is usual.
 *
 * @module
 */

/** How many times as long the wait gets at the most. */
const MAX_FACTOR = 8;

export class Patience {
  readonly #factors = new Map<string, number>();

  /** The wait for something that usually comes within `usual` milliseconds. */
  for(what: string, usual: number): number {
    return usual * (this.#factors.get(what) ?? 1);
  }

  /** It has not come in that time: the next wait is twice as long. */
  missed(what: string): void {
    const factor = this.#factors.get(what) ?? 1;
    this.#factors.set(what, Math.min(2 * factor, MAX_FACTOR));
  }

  /** It came after `took` milliseconds, usually within `usual`: the next wait is half as long where that would have done. */
  met(what: string, usual: number, took: number): void {
    const factor = this.#factors.get(what);
    if (factor === undefined || 2 * took > factor * usual) return;
    if (factor > 2) this.#factors.set(what, factor / 2);
    else this.#factors.delete(what);
  }
}
