/**
 * Between the unikernels and the store: notes every change of state as it comes and, beside the queries, what was
 * counted. Clocks meet here: the summoner's is monotonic, the store has the time of day.
 *
 * @module
 */
import type { Past } from "../summon/context.ts";
import type { SummonState, Transition } from "../summon/states.ts";
import type { SummonStatus } from "../summon/status.ts";
import type { Transitions } from "../summon/transitions.ts";
import { type Statistics, type Store, untold } from "../store/store.ts";

/**
 * Milliseconds between two looks at what was counted. What is stored lags behind by a second at the most: by this and by
 * what timers and commits take on a busy machine.
 */
const INTERVAL = 500;

/** What only the recorder knows of a unikernel. */
interface Noted {
  lastStart?: Statistics["lastStart"];
  lastStop?: Statistics["lastStop"];
  /** How many requests were noted already. */
  requests: number;
  /** Whether its state has changed since it was last counted: what follows from that may have come later. */
  changed: boolean;
}

const isStopped = (state: SummonState) =>
  state === "off" || state === "paused" || state === "suspended";

/** See the module's comment. */
export class Recorder {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #all: () => Iterable<SummonStatus>;
  /** By the unikernel's name. */
  readonly #records = new Map<string, Noted>();
  readonly #subscription: Disposable;
  #timer?: ReturnType<typeof setInterval>;

  /** Notes all `transitions`; counts what `all` gives, once it is told to. `now` is the summoner's clock. */
  constructor(
    store: Store,
    now: () => number,
    all: () => Iterable<SummonStatus>,
    transitions: Transitions,
  ) {
    this.#store = store;
    this.#now = now;
    this.#all = all;
    this.#subscription = transitions.subscribe((transition, status) =>
      this.#note(transition, status)
    );
  }

  /** From now on notes what is counted, beside the changes of state: for a store that outlives the daemon. */
  count(): void {
    this.#timer = setInterval(() => this.#count(), INTERVAL);
  }

  /** What the store knows of a unikernel, to go on from. */
  recall(name: string, statistics: Statistics): Past {
    const { lastStart, lastStop, names, goodUntil } = statistics;
    const lastRequest = names.reduce(
      (last, { lastRequest = -Infinity }) => Math.max(last, lastRequest),
      -Infinity,
    );
    const requests = names.reduce((sum, { requests }) => sum + requests, 0);
    this.#records.set(name, { lastStart, lastStop, requests, changed: false });
    return {
      state: statistics.state as SummonState,
      since: this.#monotonic(statistics.since),
      usage: new Map(names.map(({ name, requests, lastRequest }) => [name, {
        requests,
        lastRequest: lastRequest === undefined
          ? -Infinity
          : this.#monotonic(lastRequest),
      }])),
      starts: statistics.starts,
      failures: statistics.failures,
      lastTimeToReady: statistics.timeToReady,
      ours: statistics.ours,
      // Where the clock was set back, it is as long after the last request as it was.
      goodUntil: goodUntil === undefined
        ? undefined
        : this.#now() + (goodUntil - Math.max(lastRequest, Date.now())),
    };
  }

  /** Forgets a unikernel that was removed. */
  forget(name: string): void {
    this.#records.delete(name);
  }

  /** What is counted of a unikernel, as of now; that of its names only for a store that outlives the daemon. */
  statistics(summoned: SummonStatus): Statistics {
    const { lastStart, lastStop } = this.#recordOf(summoned.unikernel.name);
    const start = Date.now() - this.#now(); // once, since there may be a great many names
    return {
      state: summoned.state,
      since: Math.round(start + summoned.since),
      starts: summoned.starts,
      failures: summoned.failures,
      timeToReady: summoned.lastTimeToReady,
      ours: summoned.ours,
      goodUntil: summoned.goodUntil === -Infinity
        ? undefined
        : Math.round(start + summoned.goodUntil),
      lastStart,
      lastStop,
      names: this.#timer === undefined
        ? []
        : [...summoned.usage].map(([name, { requests, lastRequest }]) => ({
          name,
          requests,
          lastRequest: lastRequest === -Infinity
            ? undefined
            : Math.round(start + lastRequest),
        })),
    };
  }

  /** Notes what is left to note, and nothing after that. */
  close(): void {
    this.#subscription[Symbol.dispose]();
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#count();
  }

  #note(
    { unikernel: name, at, from, to, origin, cause }: Transition,
    status: SummonStatus,
  ): void {
    const time = this.#timeOfDay(at);
    const record = this.#recordOf(name);
    if (to === "starting") record.lastStart = { time, reason: cause };
    if (isStopped(to) && !isStopped(from) && from !== "failed") {
      record.lastStop = { time, reason: cause };
    }
    record.changed = true;
    this.#store
      .changeState(name, from, this.statistics(status), {
        time,
        origin,
        reason: cause,
      })
      .catch(untold);
  }

  #count(): void {
    for (const summoned of this.#all()) {
      const { unikernel: { name }, usage: { requests } } = summoned;
      const record = this.#recordOf(name);
      if (requests === record.requests && !record.changed) continue;
      record.requests = requests;
      record.changed = false;
      this.#store.count(name, this.statistics(summoned)).catch(untold);
    }
  }

  #recordOf(name: string): Noted {
    let record = this.#records.get(name);
    if (record === undefined) {
      record = { requests: 0, changed: false };
      this.#records.set(name, record);
    }
    return record;
  }

  #timeOfDay(time: number): number {
    return Math.round(Date.now() - (this.#now() - time));
  }

  /** A time that is yet to come, since the clock was set back, is now. */
  #monotonic(timeOfDay: number): number {
    return this.#now() - Math.max(0, Date.now() - timeOfDay);
  }
}
