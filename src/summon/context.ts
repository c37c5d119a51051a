/**
 * What a unikernel at run time is given: the surroundings that all of them share, and its own past.
 *
 * @module
 */
import type { ConnectionHolder } from "./hold.ts";
import type { Limit } from "../limit.ts";
import type { WaitForXenstoreKey } from "./readiness.ts";
import type { SummonState } from "./states.ts";
import type { TransitionFeed } from "./transitions.ts";
import type { NameUsage } from "./usage.ts";

/** What all unikernels of a {@linkcode Summoner} share. */
export interface SummonContext {
  /** Which Jitsu this is, in marks on machines: hex digits. */
  readonly id: string;
  /** A monotonic clock in milliseconds. */
  now(): number;
  /** Bounds the calls that start machines, and those that stop them. */
  readonly starts: Limit;
  readonly stops: Limit;
  readonly waitForXenstoreKey: WaitForXenstoreKey;
  /** Who answers for machines while they boot. */
  readonly holders: readonly ConnectionHolder[];
  /** Told of each change of state. */
  readonly transitions: TransitionFeed;
}

/** What an earlier daemon knew of a unikernel. Times are by the summoner's clock, and may be from before its zero. */
export interface Past {
  state: SummonState;
  since: number;
  usage: ReadonlyMap<string, NameUsage>;
  starts: number;
  failures: number;
  lastTimeToReady?: number;
  /** Whether that daemon started what runs; undefined where it is not known. */
  ours?: boolean;
  /** When the TTLs of all answers that were given out are over. */
  goodUntil?: number;
}
