/**
 * The life of one unikernel: the state machine of states.ts, between what is wanted of it and what its machine does.
 *
 * @module
 */
import type { Machine, MachineState } from "../backends/backend.ts";
import { Backoff, CRASH_LOOP } from "./backoff.ts";
import { Boot } from "./boot.ts";
import { Calls } from "./calls.ts";
import type { SummonContext } from "./context.ts";
import { Holds } from "./hold.ts";
import { Idle } from "./idle.ts";
import { Operations, refused } from "./operations.ts";
import { Ownership } from "./ownership.ts";
import {
  type Cause,
  mayLead,
  type Origin,
  type SummonState,
  told,
} from "./states.ts";
import type { SummonStatus } from "./status.ts";
import { MachineStop, STOPPING } from "./stop.ts";
import { messageOf, seconds, type UnikernelLog, unikernelLog } from "./text.ts";
import type { Readiness, StopMode, Unikernel } from "./unikernel.ts";
import type { Summons } from "./waiting.ts";
import { MachineWatch } from "./watch.ts";

/** What whoever waits is told when the daemon stops. */
export const CLOSED = "Jitsu is shutting down";

/** See the module's comment. For SummonedUnikernel alone, which is what others see of it. */
export class Lifecycle {
  // The first ten are what SummonStatus says of them.
  unikernel: Unikernel;
  machine: Machine;
  state: SummonState = "off";
  since: number;
  ready = false;
  starts = 0;
  failures = 0;
  lastTimeToReady?: number;
  unconfirmed?: string;
  failure = "";
  /** Those who wait for it to become ready, if any do. */
  waiting?: Summons;
  /** Whether nothing is done any more. */
  closed = false;

  readonly log: UnikernelLog;
  readonly calls: Calls;
  readonly watch: MachineWatch;
  readonly idle: Idle;
  readonly backoff: Backoff;
  readonly ownership: Ownership;
  readonly boot: Boot;
  readonly #status: SummonStatus;
  readonly #context: SummonContext;
  readonly #operations: Operations;
  readonly #holds: Holds;
  #stop?: MachineStop;
  #stopped = Promise.resolve();

  /** `status` is what listeners to its transitions are given. */
  constructor(
    unikernel: Unikernel,
    machine: Machine,
    context: SummonContext,
    status: SummonStatus,
  ) {
    this.#status = status;
    this.unikernel = unikernel;
    this.log = unikernelLog(unikernel.name);
    this.machine = machine;
    this.#context = context;
    this.since = context.now();
    this.backoff = new Backoff(context.now);
    this.calls = new Calls(machine);
    this.#operations = new Operations(
      (error) => this.log("error", messageOf(error)),
      () => this.calls.over(),
    );
    this.#holds = new Holds(context.holders, this.log);
    const { now } = context;
    const ownership = this.ownership = new Ownership(
      this.calls,
      context.id,
      now,
      this.log,
      () => this.idle.use,
    );
    this.idle = new Idle(unikernel, {
      ownership,
      now,
      log: this.log,
      isWaitedFor: () => this.waiting !== undefined,
      isUp: () =>
        !this.closed &&
        (this.state === "ready" || this.state === "starting"),
      onIdle: (reason) => {
        this.stop(reason, undefined, "idle");
      },
    });
    this.watch = new MachineWatch(
      machine,
      this.calls,
      this.log,
      (state, reason) => this.#observe(state, reason),
      (reason, isHeld) => this.#observeReboot(reason, isHeld),
    );
    this.boot = new Boot(unikernel, machine, {
      shared: context,
      calls: this.calls,
      holds: this.#holds,
      ownership,
      watch: this.watch,
      log: this.log,
      onTurn: () => this.starts++,
      onFailure: (message) => this.#fail(message),
      onEarly: () => {
        this.ready = true;
        this.settle();
      },
      onLate: (missing) => this.#late(missing),
    });
  }

  /** See SummonedUnikernel.stop. */
  stop(
    reason: string,
    mode: StopMode = this.unikernel.mode,
    origin: Origin = "operator",
  ): Promise<void> {
    this.settle(`${this.unikernel.name} was stopped: ${reason}`);
    const from = this.state;
    if (from === "stopping") return this.#stopped;
    const running = from === "ready" || from === "starting";
    if (this.closed || from === "off" || !running && mode !== "destroy") {
      return Promise.resolve();
    }
    if (this.calls.stuck) {
      this.idle.begin();
      return refused(
        `${this.unikernel.name} cannot be stopped: the backend has not answered an earlier call yet`,
      );
    }
    if (from === "ready") this.backoff.forget();
    this.log("info", `${reason}, ${STOPPING[mode]}`, { reason, mode });
    this.#enter("stopping", { origin, cause: reason });
    this.watch.hold();
    const stop = this.#stop = new MachineStop(this.calls, mode, {
      limit: this.#context.stops,
      watch: this.watch,
      now: this.#context.now,
      gracePeriod: this.machine.gracePeriod ??
        this.unikernel.shutdownTimeout * 1000,
      log: this.log,
    });
    return this.#stopped = this.#operations.run(async (signal) => {
      try {
        const left = await stop.run(signal);
        signal.throwIfAborted();
        const ms = this.#context.now() - this.since;
        this.log("info", `${left} after ${seconds(ms)}`, { ms });
        this.idle.stopped();
        this.#enter(left, { origin, cause: reason });
      } catch (error) {
        if (signal.aborted) throw error;
        const wasReady = from === "ready" && !stop.rebooted;
        await this.#remain(wasReady, "it could not be stopped");
        if (origin === "idle") this.idle.stopFailed();
        throw new Error(`could not be stopped: ${messageOf(error)}`);
      } finally {
        this.watch.release();
        if (this.waiting && !this.ready && this.state !== "starting") {
          this.start(this.waiting);
        }
      }
    });
  }

  /** Lets go of the machine as it is. Whoever waits is refused, calls that are in flight end unheard. */
  close(): void {
    this.closed = true;
    this.ownership.end();
    this.#holds.ended();
    this.watch.close();
    this.idle.end();
    this.#operations.abort(new Error(CLOSED));
    this.settle(CLOSED);
  }

  /** What the machine's state really is, read while none of our own calls was changing it. */
  #observe(seen: MachineState, reason: string): void {
    switch (this.state) {
      case "starting":
      case "ready":
        if (seen === "running") return;
        this.#operations.abort();
        if (this.state === "starting" && seen === "off") {
          this.#fail(`it went off before it was ready (${reason})`);
          return;
        }
        if (
          seen === "off" && this.ownership.started && this.#goesOffAgain(reason)
        ) return;
        this.log("info", `${seen} (${reason})`, { reason });
        this.#enter(seen, told(reason));
        this.settle(`${this.unikernel.name} was ${seen} while it started`);
        return;
      case "stopping":
        if (seen === "off") this.#stop?.seenOff();
        return;
      default:
        if (seen === "running") this.#awaitOther(reason);
        else if (this.state !== "failed" && this.state !== seen) {
          this.log("info", `${seen} (${reason})`, { reason });
          this.#enter(seen, told(reason));
        }
    }
  }

  /** Leaves a machine that was ready and went off by itself alone for a while, where it does so again and again. */
  #goesOffAgain(reason: string): boolean {
    const lived = this.#context.now() - this.since;
    const times = this.backoff.wentOff(lived);
    if (times === 0) return false;
    if (times < CRASH_LOOP) {
      this.failures++;
      return false;
    }
    this.#fail(
      `it went off ${seconds(lived)} after it was ready (${reason})`,
      `is in a crash loop, ${times} times so far`,
    );
    return true;
  }

  /** It boots anew: by itself, unless that is what the call of ours does which `isHeld` tells of. */
  #observeReboot(reason: string, isHeld: boolean): void {
    if (this.state === "stopping") this.#stop?.seenReboot();
    else if (this.state === "ready" || this.state === "starting") {
      if (!isHeld) this.#awaitOther(`it boots anew: ${reason}`);
    }
  }

  /** Starts it, for whoever waits. */
  start(cause: Cause): void {
    const wasOff = this.state === "off" || this.state === "failed";
    if (wasOff) this.ownership.started = true;
    this.#enter("starting", cause);
    this.watch.hold();
    this.#operations.run((signal) => this.#bringUp(cause, wasOff, signal));
  }

  /** Somebody else started the machine. */
  #awaitOther(reason: string): void {
    const { readiness } = this.unikernel;
    const waiting = this.boot.waitingFor(readiness);
    this.log("info", `running (${reason})${waiting}`, { reason });
    if (this.state === "starting") this.#holds.ended();
    else this.#enter("starting", told(reason));
    this.ownership.begin();
    this.#holds.begin(this.unikernel, this.calls);
    this.#operations.run((signal) =>
      this.#becomeReady(told(reason), readiness, signal)
    );
  }

  /** `wasOff` tells a boot from a machine that goes on as it was. */
  async #bringUp(
    cause: Cause,
    wasOff: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const since = this.since;
    try {
      const readiness = await this.boot.start(wasOff, signal);
      if (readiness) await this.#becomeReady(cause, readiness, signal, since);
    } finally {
      this.boot.leavePlace();
    }
  }

  /** `since` is when its start began here, if it did. */
  async #becomeReady(
    cause: Cause,
    readiness: Readiness,
    signal: AbortSignal,
    since?: number,
  ): Promise<void> {
    const unconfirmed = await this.boot.untilReady(readiness, signal);
    if (signal.aborted) return;
    const ms = this.#context.now() - (this.waiting?.since ?? this.since);
    const began = this.waiting ? "the query" : "it was started";
    if (unconfirmed === undefined) {
      this.log("info", `ready ${seconds(ms)} after ${began}`, { ms });
      this.#enterReady(cause);
      if (since !== undefined) this.lastTimeToReady = this.since - since;
    } else {
      const what = `unconfirmed: ${unconfirmed}`;
      this.log(
        "info",
        `taken for ready ${seconds(ms)} after ${began}, ${what}`,
        { ms, unconfirmed },
      );
      this.#enterReady({ ...cause, cause: `${cause.cause}; ${what}` });
      this.unconfirmed = unconfirmed;
    }
  }

  /** The readiness did not come in time. */
  #late(missing: string): void {
    const { name, readiness: { waitTimeout, waitRequired } } = this.unikernel;
    this.boot.leavePlace();
    const what = `did not become ready within ${waitTimeout} s: ${missing}`;
    if (!waitRequired) {
      this.log("warn", `${what}; taking it for ready`);
      return;
    }
    this.failures++;
    this.log("warn", `${what}; waiting on`);
    this.ready = false;
    this.settle(`${name} ${what}`);
    this.idle.begin();
  }

  #fail(reason: string, what = "could not be started"): void {
    this.failures++;
    this.failure = `${this.unikernel.name} ${what}: ${reason}`;
    const ms = this.backoff.failed();
    this.log(
      "error",
      `${what}: ${reason}; next try in ${ms / 1000} s or later`,
      { reason, ms },
    );
    this.#enter("failed", told(reason));
    this.settle(this.failure);
  }

  /** Goes on with the machine as it is after a stop that failed; `wasReady` in the boot that it is in. */
  async #remain(wasReady: boolean, cause: string): Promise<void> {
    // Where even that cannot be read, it is taken to run as before; see reconcile.
    const state = await this.calls.state().catch(() => "running" as const);
    if (this.closed) return;
    if (state !== "running") this.#enter(state, told(cause));
    else if (wasReady) this.#enterReady(told(cause));
    else this.#awaitOther(cause);
  }

  #enterReady(cause: Cause): void {
    this.backoff.becameReady();
    this.#enter("ready", cause);
    this.idle.begin();
    this.settle();
  }

  /** Comes into a state that the one before may lead to. */
  #enter(to: SummonState, cause: Cause): void {
    const from = this.state;
    if (!mayLead(from, to)) {
      this.log(
        "error",
        `internal error: ${from} must not lead to ${to} (${cause.cause}); please report this`,
        { from, to },
      );
    }
    this.become(to, cause);
  }

  /** Comes into a state whatever the one before, as when the daemon finds it so. */
  become(to: SummonState, { origin, cause }: Cause): void {
    const from = this.state;
    const at = this.#context.now();
    this.state = to;
    this.since = at;
    this.ready = to === "ready";
    this.unconfirmed = undefined;
    if (this.ready) this.#holds.ready();
    else this.#holds.ended();
    this.idle.end();
    if (to !== "ready" && to !== "starting") this.ownership.end();
    if (to === "off" || to === "failed") {
      // A start that was given up may still come, and is ours then.
      this.ownership.started = this.calls.stuck;
    }
    const unikernel = this.unikernel.name;
    this.#context.transitions.publish(
      { unikernel, at, from, to, origin, cause },
      this.#status,
    );
  }

  /** Resolves the summons in flight, or rejects it with `error`. */
  settle(error?: string): void {
    const waiting = this.waiting;
    this.waiting = undefined;
    waiting?.settle(error === undefined ? undefined : new Error(error));
  }
}
