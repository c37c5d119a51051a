/**
 * The states of a unikernel at run time, and what leads from one to another.
 *
 * | from                           | when                                              | to                       |
 * |--------------------------------|---------------------------------------------------|--------------------------|
 * | off, paused, suspended         | summoned                                          | starting                 |
 * | failed                         | summoned, and the back-off is over                | starting                 |
 * | off, paused, suspended, failed | seen running: somebody else started it            | starting, wait only      |
 * | off, paused, suspended         | seen in another of these states                   | that state               |
 * | starting                       | it is ready, or the wait is over and not required | ready                    |
 * | starting                       | the start failed, or it is seen off               | failed                   |
 * | starting, ready                | seen paused or suspended                          | that state               |
 * | ready                          | seen off                                          | off                      |
| ready                          | seen off, soon, for the third time in a row       | failed                   |
| ready                          | it boots anew                                     | starting, wait only      |
 * | starting, ready                | idle, or told to stop                             | stopping                 |
 * | paused, suspended, failed      | told to stop by destroy                           | stopping                 |
 * | stopping                       | stopped                                           | off, paused or suspended |
 * | stopping                       | it could not be stopped: whatever it is in        | ready, starting, off ... |
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

/** A change of state. */
export interface Transition extends Cause {
  from: SummonState;
  to: SummonState;
}
