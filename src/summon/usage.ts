/**
 * How often, and when last, each DNS name of one unikernel was asked for: two numbers a name in one block of memory, since
 * one unikernel may have a great many names.
 *
 * @module
 */

/** What is noted of one name. */
export interface NameUsage {
  /** How often it was asked for. */
  requests: number;
  /** When it was asked for last, by the clock the {@linkcode Summoner} was given; `-Infinity` when it never was. */
  lastRequest: number;
}

/** See the module's comment. Gives each name with what is noted of it. */
export class Usage implements Iterable<[name: string, NameUsage]> {
  readonly #names: readonly string[];
  /** For each name in turn its requests and its last request. */
  readonly #notes: Float64Array;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#notes = new Float64Array(2 * names.length);
    for (let i = 0; i < names.length; i++) this.#notes[2 * i + 1] = -Infinity;
  }

  /** Goes on from what was noted before, as far as it is about these names. */
  restore(before: Iterable<[name: string, NameUsage]>): void {
    const usages = new Map(before);
    this.#names.forEach((name, i) => {
      const usage = usages.get(name);
      if (usage === undefined) return;
      this.#notes[2 * i] = usage.requests;
      this.#notes[2 * i + 1] = usage.lastRequest;
    });
  }

  /** Notes a request for the name with that index. Done for every query. */
  note(index: number, time: number): void {
    this.#notes[2 * index]++;
    this.#notes[2 * index + 1] = time;
  }

  /** How often all of the names were asked for. */
  get requests(): number {
    let sum = 0;
    for (let i = 0; i < this.#notes.length; i += 2) sum += this.#notes[i];
    return sum;
  }

  /** When any of them was asked for last; `-Infinity` when none ever was. */
  get lastRequest(): number {
    let last = -Infinity;
    for (let i = 1; i < this.#notes.length; i += 2) {
      if (this.#notes[i] > last) last = this.#notes[i];
    }
    return last;
  }

  *[Symbol.iterator](): Generator<[name: string, NameUsage]> {
    for (let i = 0; i < this.#names.length; i++) {
      yield [this.#names[i], {
        requests: this.#notes[2 * i],
        lastRequest: this.#notes[2 * i + 1],
      }];
    }
  }
}
