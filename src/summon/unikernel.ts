/**
 * A unikernel as it was configured: which names it has, what it answers for them, and how it is started and stopped.
 * Pure data; what it does at run time is in lifecycle.ts.
 *
 * @module
 */
import type { MachineConfig } from "../backends/backend.ts";

export const STOP_MODES = ["destroy", "suspend", "shutdown"] as const;
/** How a machine is stopped when nobody asks for it any more. */
export type StopMode = typeof STOP_MODES[number];

export const ADOPTIONS = ["leave", "stop"] as const;
/** What becomes of a machine that runs though Jitsu did not start it, when nobody asks for it. */
export type Adoption = typeof ADOPTIONS[number];

export const ANSWERS = ["late", "early"] as const;
/** When the answer goes out: when the machine is ready, or as soon as it runs. */
export type Answer = typeof ANSWERS[number];

/** When a started machine counts as ready. */
export interface Readiness {
  /** Seconds to wait before the answer goes out, after everything below has come. */
  responseDelay: number;
  /** A TCP port that must accept a connection on the unikernel's first address. */
  waitForTcp?: number;
  /** A key that must appear in xenstore, relative to `/local/domain/ID/`. */
  waitForKey?: string;
  /** Seconds to wait for the above before the answer goes out all the same, with a warning. */
  waitTimeout: number;
  /** Whether it is SERVFAIL instead when `waitTimeout` is over. */
  waitRequired: boolean;
}

/** One unikernel, VM or process. */
export interface Unikernel {
  /** Its name: unique among the configured ones. */
  name: string;
  /** Its DNS names: lower case, no dot at the end, at least one, unique within the unikernel. */
  dns: readonly string[];
  /** The IPv4 and IPv6 addresses that are its answer, in canonical text form, at least one. */
  addresses: readonly string[];
  /** Seconds that clients may cache the answer; without a request for twice that long the machine is stopped. */
  ttl: number;
  mode: StopMode;
  /** Seconds that a shutdown may take before it is followed by destroy. */
  shutdownTimeout: number;
  /** What becomes of it, when nobody asks for it, where Jitsu did not start it. */
  adopt: Adoption;
  readiness: Readiness;
  answer: Answer;
  /** Whether Synjitsu is told of it. */
  useSynjitsu: boolean;
  /** Which of its network interfaces Synjitsu is told of, in the order of its MAC addresses; the first is 0. */
  synjitsuNic: number;
  /** Which of them has its addresses, where its first connections are caught; counted in the same way. */
  catchNic: number;
  machine: MachineConfig;
  /** Its CONFIG as `key=value,...`, from which it can be made again. */
  spec: string;
  /** Whether the configuration file has it, and it goes when that has it no longer. */
  fromFile: boolean;
}
