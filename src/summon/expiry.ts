/**
 * When a unikernel that nobody asks for any more is due to be stopped. DNS notes each request in {@linkcode Usage}
 * and does nothing else: the one timer here looks at these notes when it goes off and sets itself anew.
 *
 * @module
 */
import type { Usage } from "./usage.ts";

/** The longest delay of setTimeout in milliseconds (a signed 32-bit number); a longer one would fire at once. */
const MAX_DELAY = 2 ** 31 - 1;

/** The idle clock of one unikernel. */
export class Expiry {
  #usage: Usage;
  #idleTime: number;
  readonly #now: () => number;
  readonly #onIdle: (idle: number) => void;
  #restarted = -Infinity;
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
    if (this.#timer === undefined) return;
    this.stop();
    this.#arm(this.#idleTime - this.#idle());
  }

  /** Milliseconds until it is idle for long enough, as things are; `undefined` while the idle clock stands. */
  get left(): number | undefined {
    return this.#timer === undefined
      ? undefined
      : Math.max(0, this.#idleTime - this.#idle());
  }

  /** Starts the idle clock as of `since`; only requests after that count. */
  restart(since = this.#now()): void {
    this.stop();
    this.#restarted = since;
    this.#arm(this.#idleTime - (this.#now() - since));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(delay: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.min(delay, MAX_DELAY));
  }

  #look(): void {
    this.#timer = undefined;
    const idle = this.#idle();
    if (idle < this.#idleTime) this.#arm(this.#idleTime - idle);
    else this.#onIdle(idle);
  }

  /** Milliseconds without a request, so far. */
  #idle(): number {
    const latest = Math.max(this.#restarted, this.#usage.lastRequest);
    return this.#now() - latest;
  }
}
