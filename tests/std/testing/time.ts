/**
 * A stand-in for `@std/testing/time` where JSR cannot be reached, over @sinonjs/fake-timers.
 * Removing the `links` entry in tests/deno.json puts upstream's package in its place.
 *
 * @module
 */
import { type Clock, install } from "@sinonjs/fake-timers";

const realSetTimeout = globalThis.setTimeout;

/** Replaces the timers and `Date` by ones that move only when told, until it is disposed of. */
export class FakeTime {
  readonly start: number;
  readonly #clock: Clock;
  #restored = false;

  constructor(start: number | string | Date | null = Date.now()) {
    this.start = new Date(start ?? Date.now()).getTime();
    this.#clock = install({
      now: this.start,
      toFake: [
        "setTimeout",
        "clearTimeout",
        "setInterval",
        "clearInterval",
        "Date",
      ],
    });
  }
  /** Milliseconds since the epoch. */
  get now(): number {
    return Date.now();
  }
  /** Moves the time by `ms`, firing what is due. */
  tick(ms = 0): void {
    this.#clock.tick(ms);
  }
  /** Lets pending microtasks run, then moves the time by `ms`; none run between the timers that are due. */
  async tickAsync(ms = 0): Promise<void> {
    await this.runMicrotasks();
    this.tick(ms);
  }
  /** Lets pending microtasks run, then moves the time to the next timer and runs all that are due; false for none. */
  async nextAsync(): Promise<boolean> {
    await this.runMicrotasks();
    if (this.#clock.countTimers() === 0) return false;
    this.#clock.next();
    this.#clock.tick(0); // those that are due at the same time
    return true;
  }
  /** Lets pending microtasks run, and what waits for the next turn of the event loop. */
  runMicrotasks(): Promise<void> {
    return new Promise((resolve) => realSetTimeout(resolve, 0));
  }
  /** Puts the real timers back; once. */
  restore(): void {
    if (this.#restored) {
      throw new Error("Cannot restore time: time is already restored");
    }
    this.#restored = true;
    this.#clock.uninstall();
  }
  [Symbol.dispose](): void {
    this.restore();
  }
}
