/**
 * A stand-in for `@std/testing/time` where JSR cannot be reached, over @sinonjs/fake-timers.
 * Removing the `links` entry in deno.json puts upstream's package in its place.
 *
 * @module
 */
import { type Clock, install } from "@sinonjs/fake-timers";

/** Replaces the timers and `Date` by ones that move only when told, until it is disposed of. */
export class FakeTime {
  readonly start: number;
  readonly #clock: Clock;

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
  /** Lets pending microtasks run, then moves the time by `ms`. */
  async tickAsync(ms = 0): Promise<void> {
    await this.#clock.tickAsync(ms);
  }
  /** Runs the next timer, after pending microtasks. */
  async nextAsync(): Promise<boolean> {
    if (this.#clock.countTimers() === 0) return false;
    await this.#clock.nextAsync();
    return true;
  }
  /** Lets pending microtasks run. */
  async runMicrotasks(): Promise<void> {
    await this.#clock.tickAsync(0);
  }
  restore(): void {
    this.#clock.uninstall();
  }
  [Symbol.dispose](): void {
    this.restore();
  }
}
