/**
 * The states of a unikernel at run time, and what leads from one to another: {@linkcode RULES}.
 *
 * Whoever summons it waits until it is ready; with `answer=early` only until its start has succeeded or it is seen to run,
 * which leaves it `starting`.
 *
 * A query is answered in time whatever the backend does (waiting.ts), a backend's call that hangs is given up in the end
 * (calls.ts): what was being started has failed then, what was being stopped is whatever it is in.
 *
 * When the daemon starts, a machine that runs is ready: it may be in use already. Where an earlier daemon left word of
 * it, that is the state before, and its idle clock goes on.
 *
 * Calls that change the machine's state never overlap. A summons that comes while the machine stops starts it when that
 * is over; a stop that comes while the machine starts waits for the backend's call, not for readiness. Where a required
 * readiness does not come in time, those who wait are refused, but the machine stays `starting` and the wait goes on,
 * until it is ready or was idle for long enough to be stopped.
 *
 * @module
 */

export type SummonState =
  | "off"
  | "starting"
  | "ready"
  | "stopping"
  | "suspended"
  | "paused"
  | "failed";

/** Who brings a change about: a client's query, nobody's asking, the operator, or what the backend tells. */
export type Origin = "query" | "idle" | "operator" | "backend";

/** What brings a change about: from whom, and in words. */
export interface Cause {
  origin: Origin;
  cause: string;
}

/** What the backend tells, as a cause. */
export function told(cause: string): Cause {
  return { origin: "backend", cause };
}

/** A change of state. Says all there is to say of it: whoever hears of it need not ask anybody. */
export interface Transition extends Cause {
  /** The name. */
  unikernel: string;
  /** By the summoner's clock, in milliseconds. */
  at: number;
  from: SummonState;
  to: SummonState;
}

/** What leads from any of some states to any of some others. */
export interface Rule {
  from: readonly SummonState[];
  when: string;
  to: readonly SummonState[];
}

/**
 * All changes of state that there are, but for one: when the daemon starts, what it finds takes the place of whatever an
 * earlier one left word of.
 */
export const RULES: readonly Rule[] = [
  {
    from: ["off", "paused", "suspended"],
    when: "summoned",
    to: ["starting"],
  },
  {
    from: ["failed"],
    when: "summoned, and the back-off is over",
    to: ["starting"],
  },
  {
    from: ["off", "paused", "suspended", "failed"],
    when: "seen running, since somebody else started it: it is only waited for",
    to: ["starting"],
  },
  {
    from: ["off", "paused", "suspended"],
    when: "seen in another of these states",
    to: ["off", "paused", "suspended"],
  },
  {
    from: ["starting"],
    when: "it is ready, or the wait is over and not required",
    to: ["ready"],
  },
  {
    from: ["starting"],
    when: "the start failed, or it is seen off",
    to: ["failed"],
  },
  {
    from: ["starting", "ready"],
    when: "seen paused or suspended",
    to: ["paused", "suspended"],
  },
  { from: ["ready"], when: "seen off", to: ["off"] },
  {
    from: ["ready"],
    when: "seen off, soon, for the third time in a row",
    to: ["failed"],
  },
  {
    from: ["ready"],
    when: "it boots anew: it is only waited for",
    to: ["starting"],
  },
  {
    from: ["starting", "ready"],
    when: "idle, or told to stop",
    to: ["stopping"],
  },
  {
    from: ["paused", "suspended", "failed"],
    when: "told to stop by destroy",
    to: ["stopping"],
  },
  {
    from: ["stopping"],
    when: "stopped",
    to: ["off", "paused", "suspended"],
  },
  {
    from: ["stopping"],
    when:
      "it could not be stopped: whatever it is in, and ready only in the boot in which it was",
    to: ["ready", "starting", "off", "paused", "suspended"],
  },
];

/** Whether the {@linkcode RULES} have a change from one state to another. */
export function mayLead(from: SummonState, to: SummonState): boolean {
  return from !== to &&
    RULES.some((rule) => rule.from.includes(from) && rule.to.includes(to));
}
