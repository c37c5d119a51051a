/**
 * The store of a daemon without a database: it forgets everything when the daemon ends.
 *
 * @module
 */
import type {
  Change,
  Configuration,
  HistoryEvent,
  Statistics,
  Store,
  StoredUnikernel,
} from "./store.ts";

/** How many events are kept: some 5 MB of them. */
const HISTORY_KEPT = 10_000;

/** See the module's comment. */
export class MemoryStore implements Store {
  readonly #unikernels = new Map<string, StoredUnikernel>();
  readonly #kept: number;
  readonly #id = crypto.randomUUID().replaceAll("-", "");
  #history: HistoryEvent[] = [];
  readonly #identities = new Map<string, string>();

  /** Keeps the last `kept` events. */
  constructor(kept = HISTORY_KEPT) {
    this.#kept = kept;
  }

  id(): Promise<string> {
    return Promise.resolve(this.#id);
  }

  unikernels(): Promise<StoredUnikernel[]> {
    return Promise.resolve([...this.#unikernels.values()]);
  }

  configure(configuration: Configuration, change: Change): Promise<void> {
    const { name, spec } = configuration;
    const before = this.#unikernels.get(name);
    this.#unikernels.set(name, { ...before, ...configuration });
    this.#note({
      ...change,
      unikernel: name,
      what: "configuration",
      from: before?.spec,
      to: spec,
    });
    return Promise.resolve();
  }

  remove(name: string, change: Change): Promise<void> {
    const before = this.#unikernels.get(name);
    if (this.#unikernels.delete(name)) {
      this.#note({
        ...change,
        unikernel: name,
        what: "configuration",
        from: before?.spec,
      });
    }
    return Promise.resolve();
  }

  changeState(
    name: string,
    from: string,
    statistics: Statistics,
    change: Change,
  ): Promise<void> {
    this.#note({
      ...change,
      unikernel: name,
      what: "state",
      from,
      to: statistics.state,
    });
    return this.count(name, statistics);
  }

  count(name: string, statistics: Statistics): Promise<void> {
    const unikernel = this.#unikernels.get(name);
    if (unikernel) this.#unikernels.set(name, { ...unikernel, statistics });
    return Promise.resolve();
  }

  history(limit: number, unikernel?: string): Promise<HistoryEvent[]> {
    const events = unikernel === undefined
      ? this.#history
      : this.#history.filter((event) => event.unikernel === unikernel);
    return Promise.resolve(events.slice(Math.max(0, events.length - limit)));
  }

  identityOf(farEnd: string): Promise<string | undefined> {
    return Promise.resolve(this.#identities.get(farEnd));
  }

  identify(farEnd: string, identity: string): Promise<void> {
    this.#identities.set(farEnd, identity);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #note(event: HistoryEvent): void {
    this.#history.push(event);
    // Twice as many are let gather, so that they are not all moved for each new one.
    if (this.#history.length >= 2 * this.#kept) {
      this.#history = this.#history.slice(-this.#kept);
    }
  }
}
