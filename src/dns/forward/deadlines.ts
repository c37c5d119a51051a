/**
 * Many deadlines with one timer: nearly all of them are called off, thousands in a second, and each timer of the runtime
 * costs more than the query it watches.
 *
 * @module
 */

/** Milliseconds by which a deadline may come late. */
const GRAIN = 16;

/** See the module's comment. */
export class Deadlines {
  readonly #now: () => number;
  /** What is due, by when: a number of grains. */
  readonly #due = new Map<number, Set<() => void>>();
  /** When the timer goes off. */
  #next = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param now milliseconds on a monotonic clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Calls a function at that time or a little later, and returns what calls that off. */
  add(time: number, call: () => void): () => void {
    const at = Math.ceil(time / GRAIN);
    let calls = this.#due.get(at);
    if (calls === undefined) this.#due.set(at, calls = new Set());
    // The same function may be given twice: each has a place of its own.
    const place = () => call();
    calls.add(place);
    this.#arm(Math.min(at, this.#next));
    return () => {
      calls.delete(place);
      if (calls.size > 0 || this.#due.get(at) !== calls) return;
      this.#due.delete(at);
      if (this.#due.size === 0) this.#arm(Infinity);
    };
  }

  #arm(next: number): void {
    if (next === this.#next) return;
    this.#next = next;
    clearTimeout(this.#timer);
    if (next === Infinity) return;
    const delay = Math.max(0, next * GRAIN - this.#now());
    this.#timer = setTimeout(() => this.#run(), Math.ceil(delay));
  }

  #run(): void {
    const now = this.#now() / GRAIN;
    this.#next = Infinity;
    for (const [at, calls] of [...this.#due]) {
      if (at > now) continue;
      this.#due.delete(at);
      for (const call of calls) call();
    }
    this.#arm(Math.min(...this.#due.keys(), this.#next));
  }
}
