/**
 * One piece of work for all who want the same at the same time.
 *
 * @module
 */

/** Work under way, by what it is for. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /** How many pieces of work are under way. */
  get size(): number {
    return this.#flights.size;
  }

  /** What comes of the work for `key`: that under way, or else `start`'s. */
  join(key: string, start: () => Promise<T>): Promise<T> {
    const flight = this.#flights.get(key);
    if (flight !== undefined) return flight;
    const started = start().finally(() => this.#flights.delete(key));
    this.#flights.set(key, started);
    return started;
  }
}
