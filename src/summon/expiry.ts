/**
 * When a unikernel that nobody asks for any more is due to be stopped. DNS notes each request in {@linkcode Usage}
 * and does nothing else: the one timer here looks at these notes when it goes off and sets itself anew.
 *
 * @module
 */
import { timer } from "../wait.ts";
import type { Usage } from "./usage.ts";

/** The idle clock of one unikernel. */
export class Expiry {
  #usage: Usage;
  #idleTime: number;
  readonly #now: () => number;
  readonly #onIdle: (idle: number) => void;
  #restarted = -Infinity;
  #keptUntil = -Infinity;
  #timer?: ReturnType<typeof setTimeout>;

  /**
   * Once started, calls `onIdle` with the idle time so far when none of the names was requested for `idleTime`, and
   * stops. All times are in milliseconds.
   */
  constructor(
    usage: Usage,
    idleTime: number,
    now: () => number,
    onIdle: (idle: number) => void,
  ) {
    this.#usage = usage;
    this.#idleTime = idleTime;
    this.#now = now;
    this.#onIdle = onIdle;
  }

  /** Goes on with other names and another idle time. */
  change(usage: Usage, idleTime: number): void {
    this.#usage = usage;
    this.#idleTime = idleTime;
    this.#rearm();
  }

  /** Does not call it idle before that time, whatever the idle time is: answers may be good for so long, or others use it. */
  keepUntil(time: number): void {
    this.#keptUntil = Math.max(this.#keptUntil, time);
    this.#rearm();
  }

  get keptUntil(): number {
    return this.#keptUntil;
  }

  /** Milliseconds until it is idle for long enough, as things are; `undefined` while the idle clock stands. */
  get left(): number | undefined {
    return this.#timer === undefined ? undefined : Math.max(0, this.#left());
  }

  /** Starts the idle clock as of `since`; only requests after that count. */
  restart(since = this.#now()): void {
    this.stop();
    this.#restarted = since;
    this.#arm();
  }

  /** Goes on after `onIdle`, for which somebody has found a reason. */
  resume(): void {
    if (this.#timer === undefined) this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #rearm(): void {
    if (this.#timer === undefined) return;
    this.stop();
    this.#arm();
  }

  #arm(): void {
    this.#timer = timer(() => this.#look(), this.#left());
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#left() > 0) this.#arm();
    else this.#onIdle(this.#idle());
  }

  #left(): number {
    return Math.max(
      this.#idleTime - this.#idle(),
      this.#keptUntil - this.#now(),
    );
  }

  /** Milliseconds without a request, so far. */
  #idle(): number {
    const latest = Math.max(this.#restarted, this.#usage.lastRequest);
    return this.#now() - latest;
  }
}
