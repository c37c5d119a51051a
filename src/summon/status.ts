/**
 * What can be seen of a unikernel at run time by those who tell of it: status, history, the store.
 *
 * @module
 */
import type { SummonState } from "./states.ts";
import type { Unikernel } from "./unikernel.ts";
import type { Usage } from "./usage.ts";

/** How a unikernel is now. Only itself changes it. Times are by the summoner's clock, in milliseconds. */
export interface SummonStatus {
  readonly unikernel: Unikernel;
  readonly state: SummonState;
  /** When it came into this state. */
  readonly since: number;
  /** Whether its addresses can be the answer now. */
  readonly ready: boolean;
  /** How often the machine was started, unpaused or resumed, and how often that failed. */
  readonly starts: number;
  readonly failures: number;
  /** What the last start took until it was ready. */
  readonly lastTimeToReady?: number;
  /** What did not come of that which it was waited for, where it was taken for ready all the same. */
  readonly unconfirmed?: string;
  /** Why it is `failed`, or was for the last time. */
  readonly failure: string;
  /** The time left until it is stopped if nobody asks for it; `undefined` where it does not run. */
  readonly idleIn?: number;
  /** How often, and when last, each of its names was asked for. */
  readonly usage: Omit<Usage, "note" | "restore">;
  /** Whether this Jitsu started the machine that runs. */
  readonly ours: boolean;
  /** When the TTLs of all answers that were given out are over, by the summoner's clock; `-Infinity` where there are none. */
  readonly goodUntil: number;
}
