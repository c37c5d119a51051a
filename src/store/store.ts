/**
 * What survives of the unikernels: how each was configured, what was counted of it, and what became of it when and why.
 * Plain data; what the words in it mean, and when something is worth storing, is not known here.
 *
 * All times are in milliseconds since 1970 (UTC), as `Date.now()` has them. No text has NUL characters in it.
 *
 * @module
 */

/** Who brought a change about: a client's query, nobody's asking, the operator, or what the backend told. */
export type Origin = "query" | "idle" | "operator" | "backend";

/** When, from whom and why a change came. */
export interface Change {
  time: number;
  origin: Origin;
  /** In words, e.g. `"A www.example.org from 127.0.0.1#5353"`. */
  reason: string;
}

/** A change that the operator makes now. */
export function operatorChange(reason: string): Change {
  return { time: Date.now(), origin: "operator", reason };
}

/** A unikernel as it was configured. */
export interface Configuration {
  /** Unique in the store. */
  name: string;
  /** The backend that its keys are meant for. */
  backend: string;
  /** The CONFIG as text, not what was made of it: a later version can read it anew. */
  spec: string;
  /** Whether it is of the configuration file. */
  fromFile: boolean;
}

/** How often a DNS name was asked for. */
export interface NameStatistics {
  name: string;
  requests: number;
  lastRequest?: number;
}

/** What is counted of one unikernel, all of it. */
export interface Statistics {
  /** Its state as last seen, and since when it is in it. */
  state: string;
  since: number;
  starts: number;
  failures: number;
  /** Milliseconds that the last start took. */
  timeToReady?: number;
  /** Whether this Jitsu started what runs; undefined where that is not known. */
  ours?: boolean;
  /** When the TTLs of all answers that were given out are over. */
  goodUntil?: number;
  lastStart?: { time: number; reason: string };
  lastStop?: { time: number; reason: string };
  names: readonly NameStatistics[];
}

export interface StoredUnikernel extends Configuration {
  /** None until there was something to count. */
  statistics?: Statistics;
}

/** A change of one unikernel's state or configuration. */
export interface HistoryEvent extends Change {
  unikernel: string;
  what: "state" | "configuration";
  /** The state or the CONFIG before; none where the unikernel was new. */
  from?: string;
  /** The state or the CONFIG since then; none where the unikernel was removed. */
  to?: string;
}

/**
 * Where all that is kept. Whatever writes takes effect in the order of the calls, and resolves when it is stored: from
 * then on it survives the end of this process, however that comes. It rejects with {@linkcode StoreError} when it
 * cannot be stored at the moment; the store then keeps it in memory and stores it when it can.
 */
export interface Store {
  /** Which Jitsu this is, among all that may look after the same machines: 32 hex digits, for as long as the store lasts. */
  id(): Promise<string>;
  /** All that are configured, in the order in which they came. */
  unikernels(): Promise<StoredUnikernel[]>;
  /** Adds a unikernel, or replaces the one of that name, whose statistics stay. */
  configure(configuration: Configuration, change: Change): Promise<void>;
  /** Removes a unikernel and its statistics, if there is one of that name; its history stays. */
  remove(name: string, change: Change): Promise<void>;
  /** Notes a change of state, from the one before to `statistics.state`. */
  changeState(
    name: string,
    from: string,
    statistics: Statistics,
    change: Change,
  ): Promise<void>;
  /** Notes statistics without a change of state. Those of a unikernel that is not configured are dropped. */
  count(name: string, statistics: Statistics): Promise<void>;
  /** The last `limit` events, of one unikernel or of all, the oldest of them first. The store forgets very old ones. */
  history(limit: number, unikernel?: string): Promise<HistoryEvent[]>;
  /** What was noted of the far end of a backend's connection, so that no other is taken for it. */
  identityOf(farEnd: string): Promise<string | undefined>;
  /** Notes what identifies that far end, in place of what was noted before. */
  identify(farEnd: string, identity: string): Promise<void>;
  /** Stores what is left to store and lets go. Nothing may be called after it. */
  close(): Promise<void>;
}

/** Something cannot be stored or read. The message is one line: which file, what is wrong, and what to do. */
export class StoreError extends Error {
  override name = "StoreError";
}

/**
 * Handles the rejection of a write that nobody waits for: the store itself has told of trouble with its file, and keeps
 * what it could not store. A mistake of ours is nothing to hide, and is thrown again.
 */
export function untold(error: unknown): void {
  if (!(error instanceof StoreError)) throw error;
}
