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

/** Where DNS notes the requests for each of the names; what was noted `before` is kept. */
export function usageOf(
  names: readonly string[],
  before?: ReadonlyMap<string, NameUsage>,
): ReadonlyMap<string, NameUsage> {
  return new Map(names.map((name) => [
    name,
    before?.get(name) ?? { requests: 0, lastRequest: -Infinity },
  ]));
}

/** The longest delay of setTimeout in milliseconds (a signed 32-bit number); a longer one would fire at once. */
const MAX_DELAY = 2 ** 31 - 1;

/** The idle clock of one unikernel. */
export class Expiry {
  #usage: ReadonlyMap<string, NameUsage>;
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

  /** Goes on with other names and another idle time. */
  change(usage: ReadonlyMap<string, NameUsage>, idleTime: number): void {
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
    let latest = this.#restarted;
    for (const { lastRequest } of this.#usage.values()) {
      latest = Math.max(latest, lastRequest);
    }
    return this.#now() - latest;
  }
}
