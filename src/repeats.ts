/**
 * The same thing said over and over: how often it is passed on within a time, and that the rest is counted.
 *
 * @module
 */

/** See the module's comment. */
export class Repeats<T> {
  readonly #limit: number;
  readonly #span: number;
  readonly #tell: (item: T, more: number) => void;
  /** What was said a short while ago, and how often since. */
  readonly #said = new Map<
    string,
    { item: T; count: number; timer: ReturnType<typeof setTimeout> }
  >();

  /**
   * @param limit how often the same is passed on within `span` milliseconds, from when it is said first
   * @param tell called when that time is over, with how many more there were, if any
   */
  constructor(
    limit: number,
    span: number,
    tell: (item: T, more: number) => void,
  ) {
    this.#limit = limit;
    this.#span = span;
    this.#tell = tell;
  }

  /** Whether this one is to be passed on. What has the same key is the same. */
  passes(key: string, item: T): boolean {
    const said = this.#said.get(key);
    if (said !== undefined) return ++said.count <= this.#limit;
    const timer = setTimeout(() => this.#end(key), this.#span);
    Deno.unrefTimer(Number(timer));
    this.#said.set(key, { item, count: 1, timer });
    return true;
  }

  /** Tells now what would be told later. */
  flush(): void {
    for (const key of [...this.#said.keys()]) this.#end(key);
  }

  #end(key: string): void {
    const { item, count, timer } = this.#said.get(key)!;
    clearTimeout(timer);
    this.#said.delete(key);
    if (count > this.#limit) this.#tell(item, count - this.#limit);
  }
}
