/**
 * Reading configuration while the daemon runs: what whoever reads it hands in, and what comes of it.
 *
 * @module
 */
import type { Unikernel } from "../summon/unikernel.ts";

/** What is wrong with a configuration, all of it, a line each. */
export interface Unreadable {
  problems: string[];
}

/** Makes a unikernel of a CONFIG as text. */
export type ReadSpec = (spec: string) => Unikernel | Unreadable;

/** What the configuration says when it is read again. */
export interface Reloaded {
  unikernels: Unikernel[];
  readSpec: ReadSpec;
  /** Options that have changed and count only from the next start of the daemon. */
  needRestart: string[];
}
