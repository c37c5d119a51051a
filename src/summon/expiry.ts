/**
 * When a unikernel that nobody asks for any more is due to be stopped. DNS notes each request in {@linkcode NameUsage}
 * and does nothing else: the one timer here looks at these notes when it goes off and sets itself anew.
 *
 * @module
 */

/** What DNS notes about one name of one unikernel. */
export interface NameUsage {
  /** How often it was asked for. */
  requests: number;
  /** When it was asked for last, by the clock the {@linkcode Summoner} was given; `-Infinity` when it never was. */
  lastRequest: number;
}

/** The longest delay of setTimeout in milliseconds (a signed 32-bit number); a longer one would fire at once. */
const MAX_DELAY = 2 ** 31 - 1;

/** The idle clock of one unikernel. */
export class Expiry {
  readonly #usage: ReadonlyMap<string, NameUsage>;
  readonly #idleTime: number;
  readonly #now: () => number;
  readonly #onIdle: (idle: number) => void;
  #restarted = -Infinity;
  #timer?: ReturnType<typeof setTimeout>;

  /**
   * Once started, calls `onIdle` with the idle time so far when none of the names was requested for `idleTime`, and
   * stops. All times are in milliseconds.
   */
  constructor(
    usage: ReadonlyMap<string, NameUsage>,
    idleTime: number,
    now: () => number,
    onIdle: (idle: number) => void,
  ) {
    this.#usage = usage;
    this.#idleTime = idleTime;
    this.#now = now;
    this.#onIdle = onIdle;
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
    let latest = this.#restarted;
    for (const { lastRequest } of this.#usage.values()) {
      latest = Math.max(latest, lastRequest);
    }
    const idle = this.#now() - latest;
    if (idle < this.#idleTime) this.#arm(this.#idleTime - idle);
    else this.#onIdle(idle);
  }
}
