/**
 * One unikernel at run time: the state machine of states.ts, between the names that are asked for and the machine that
 * answers for them. It knows nothing of DNS messages, nor how a backend does its work.
 *
 * @module
 */
import type { Machine, MachineState } from "../backends/backend.ts";
import { Backoff, CRASH_LOOP } from "./backoff.ts";
import { Boot } from "./boot.ts";
import { Calls } from "./calls.ts";
import type { Past, SummonContext } from "./context.ts";
import { Holds } from "./hold.ts";
import { Idle } from "./idle.ts";
import { Ownership } from "./ownership.ts";
import { Operations, refused } from "./operations.ts";
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
import type { Usage } from "./usage.ts";
import { Summons } from "./waiting.ts";
import { MachineWatch } from "./watch.ts";

const CLOSED = "Jitsu is shutting down";

/** Whether it ran when the earlier daemon ended, as far as that knew. */
const ran = ({ state }: Past) =>
  state === "starting" || state === "ready" || state === "stopping";
/** Whether the earlier daemon had started what ran. One of before this was noted stopped whatever ran. */
const wasOurs = (past: Past) => ran(past) && (past.ours ?? past.starts > 0);

/** A unikernel that starts when it is summoned and stops when nobody asks for it any more. */
export class SummonedUnikernel implements SummonStatus {
  // What others read of it has getters only: nobody but itself changes it.
  #unikernel: Unikernel;
  #state: SummonState = "off";
  #since: number;
  #ready = false;
  #starts = 0;
  #failures = 0;
  #lastTimeToReady?: number;
  #unconfirmed?: string;
  #failure = "";

  readonly #log: UnikernelLog;
  #machine: Machine;
  readonly #calls: Calls;
  readonly #context: SummonContext;
  readonly #watch: MachineWatch;
  readonly #idle: Idle;
  readonly #backoff: Backoff;
  readonly #operations: Operations;
  readonly #holds: Holds;
  readonly #ownership: Ownership;
  readonly #boot: Boot;
  #waiting?: Summons;
  #stop?: MachineStop;
  #stopped = Promise.resolve();
  #closed = false;

  constructor(unikernel: Unikernel, machine: Machine, context: SummonContext) {
    this.#unikernel = unikernel;
    this.#log = unikernelLog(unikernel.name);
    this.#machine = machine;
    this.#context = context;
    this.#since = context.now();
    this.#backoff = new Backoff(context.now);
    this.#calls = new Calls(machine);
    this.#operations = new Operations(
      (error) => this.#log("error", messageOf(error)),
      () => this.#calls.over(),
    );
    this.#holds = new Holds(context.holders, this.#log);
    const { now } = context;
    const ownership = this.#ownership = new Ownership(
      this.#calls,
      context.id,
      now,
      this.#log,
      () => this.#idle.use,
    );
    this.#idle = new Idle(unikernel, {
      ownership,
      now,
      log: this.#log,
      isWaitedFor: () => this.#waiting !== undefined,
      isUp: () =>
        !this.#closed &&
        (this.#state === "ready" || this.#state === "starting"),
      onIdle: (reason) => {
        this.stop(reason, undefined, "idle");
      },
    });
    this.#watch = new MachineWatch(
      machine,
      this.#calls,
      this.#log,
      (state, reason) => this.#observe(state, reason),
      (reason, isHeld) => this.#observeReboot(reason, isHeld),
    );
    this.#boot = new Boot(unikernel, machine, {
      shared: context,
      calls: this.#calls,
      holds: this.#holds,
      ownership,
      watch: this.#watch,
      log: this.#log,
      onTurn: () => this.#starts++,
      onFailure: (message) => this.#fail(message),
      onEarly: () => {
        this.#ready = true;
        this.#settle();
      },
      onLate: (missing) => this.#late(missing),
    });
  }

  /** As it is configured; another one after {@linkcode reconfigure}. */
  get unikernel(): Unikernel {
    return this.#unikernel;
  }
  /**
   * Whether its addresses can be the answer now: it is `ready`, or runs and is to be answered for as early as that. Read
   * for every query.
   */
  get ready(): boolean {
    return this.#ready;
  }
  /** How often the machine was started, unpaused or resumed. */
  get starts(): number {
    return this.#starts;
  }
  /** How often that failed, or did not make it ready in time where that is required. */
  get failures(): number {
    return this.#failures;
  }
  /** Milliseconds that the last start took until it was ready, its turn to start included. */
  get lastTimeToReady(): number | undefined {
    return this.#lastTimeToReady;
  }
  get unconfirmed(): string | undefined {
    return this.#unconfirmed;
  }
  /** Why it is `failed`, or was for the last time. */
  get failure(): string {
    return this.#failure;
  }
  get state(): SummonState {
    return this.#state;
  }
  /** When it came into this state, by the summoner's clock. */
  get since(): number {
    return this.#since;
  }
  /** Whether a query that summons it begins a start: it is not on the way, and not left alone after a failure. */
  get wouldStart(): boolean {
    if (this.#ready || this.#closed || this.#waiting) return false;
    if (this.#state === "starting" || this.#state === "stopping") return false;
    return this.#state !== "failed" ||
      this.#backoff.left() === 0 && !this.#calls.stuck;
  }
  /** Whether this Jitsu started the machine that runs. */
  get ours(): boolean {
    return this.#ownership.started;
  }
  /** Whether it is stopped without having been told to: one that somebody else started is his, unless it was given to us. */
  get mayStop(): boolean {
    return this.#idle.mayStop;
  }
  /** When the TTLs of all answers that were given out are over, by the summoner's clock; `-Infinity` where there are none. */
  get goodUntil(): number {
    return this.#idle.goodUntil;
  }
  /** Milliseconds until it is stopped if nobody asks for it; `undefined` where it does not run. */
  get idleIn(): number | undefined {
    return this.#idle.left;
  }
  /** Where DNS notes each request. */
  get usage(): Usage {
    return this.#idle.usage;
  }

  /**
   * Goes on as another configuration of the same name says, which may have another handle of the same machine. Nothing
   * is done to the machine: what is under way ends as it began, what was counted of names that stay is kept.
   */
  reconfigure(unikernel: Unikernel, machine: Machine): void {
    this.#unikernel = unikernel;
    this.#idle.change(unikernel);
    this.#boot.change(unikernel, machine);
    if (this.#state === "ready" && this.#idle.left === undefined) {
      this.#idle.begin();
    }
    if (machine === this.#machine) return;
    this.#machine = machine;
    this.#calls.change(machine);
    this.#watch.change(machine);
  }

  /**
   * Takes over the machine as it is, once, before anything else. One that runs counts as ready, for whoever uses it
   * already. Rejects with BackendError when its state cannot be read.
   */
  async adopt(past?: Past): Promise<void> {
    if (past) this.#recall(past);
    this.#watch.hold();
    try {
      const state = await this.#calls.state();
      if (this.#closed) return;
      if (state === "running") {
        await this.#ownership.recall(past !== undefined && wasOurs(past));
      }
      if (this.#closed) return;
      const found = state === "running" ? "ready" : state;
      if (found === "off" && this.#state === "off") return;
      this.#log("info", `found ${state}`);
      if (found !== this.#state) {
        this.#become(found, told(`found ${state}`));
      }
      this.#ready = found === "ready";
      // The idle clock of one that somebody else started begins now.
      if (this.#ready) {
        this.#ownership.begin();
        this.#idle.begin(past && ran(past) ? past.since : undefined);
      }
    } finally {
      this.#watch.release();
    }
  }

  #recall(past: Past): void {
    this.#state = past.state;
    this.#since = past.since;
    this.#starts = past.starts;
    this.#failures = past.failures;
    this.#lastTimeToReady = past.lastTimeToReady;
    this.#idle.recall(past);
  }

  /** Reads the machine's state and goes by it, in case an event was lost. Never rejects. */
  reconcile(): Promise<void> {
    return this.#watch.check();
  }

  /**
   * Makes it ready. Resolves when it can be the answer; rejects with an error whose message can be shown to whoever
   * asks. `cause` is for the log, e.g. `"A www.example.org from 127.0.0.1#5353"`. The operator need not wait where it has
   * just failed.
   */
  summon(cause: string, origin: Origin = "query"): Promise<void> {
    if (this.#ready) return Promise.resolve();
    if (this.#closed) return refused(CLOSED);
    const whyLate = origin === "operator"
      ? undefined
      : () => this.#boot.whyLate(this.#state === "stopping");
    if (this.#waiting) {
      this.#log("debug", `summoned by ${cause} too`, { cause });
      return this.#waiting.join(whyLate);
    }
    const left = origin === "operator" ? 0 : this.#backoff.left();
    if (this.#state === "failed" && left > 0) {
      return refused(
        `${this.#failure}; next try in ${Math.ceil(left / 1000)} s`,
      );
    }
    if (this.#state === "failed" && this.#calls.stuck) {
      return refused(`${this.#failure}, and that is not over yet`);
    }
    const waiting = new Summons({ origin, cause }, this.#context.now());
    this.#waiting = waiting;
    const promise = waiting.join(whyLate);
    this.#log("info", `summoned by ${cause}`, { cause });
    if (this.#state === "starting") this.#boot.extend();
    else if (this.#state !== "stopping") this.#start(waiting);
    return promise;
  }

  /**
   * Stops it; whoever waits for it is refused. Resolves when it is stopped and rejects when it could not be; both need
   * no handler. What does not run is left as it is, unless `mode` is destroy. A stop in flight is joined.
   */
  stop(
    reason: string,
    mode: StopMode = this.#unikernel.mode,
    origin: Origin = "operator",
  ): Promise<void> {
    this.#settle(`${this.#unikernel.name} was stopped: ${reason}`);
    const from = this.#state;
    if (from === "stopping") return this.#stopped;
    const running = from === "ready" || from === "starting";
    if (this.#closed || from === "off" || !running && mode !== "destroy") {
      return Promise.resolve();
    }
    if (this.#calls.stuck) {
      this.#idle.begin();
      return refused(
        `${this.#unikernel.name} cannot be stopped: the backend has not answered an earlier call yet`,
      );
    }
    if (from === "ready") this.#backoff.forget();
    this.#log("info", `${reason}, ${STOPPING[mode]}`, { reason, mode });
    this.#enter("stopping", { origin, cause: reason });
    this.#watch.hold();
    const stop = this.#stop = new MachineStop(this.#calls, mode, {
      limit: this.#context.stops,
      watch: this.#watch,
      now: this.#context.now,
      gracePeriod: this.#machine.gracePeriod ??
        this.#unikernel.shutdownTimeout * 1000,
      log: this.#log,
    });
    return this.#stopped = this.#operations.run(async (signal) => {
      try {
        const left = await stop.run(signal);
        signal.throwIfAborted();
        const ms = this.#context.now() - this.#since;
        this.#log("info", `${left} after ${seconds(ms)}`, { ms });
        this.#idle.stopped();
        this.#enter(left, { origin, cause: reason });
      } catch (error) {
        if (signal.aborted) throw error;
        const wasReady = from === "ready" && !stop.rebooted;
        await this.#remain(wasReady, "it could not be stopped");
        if (origin === "idle") this.#idle.stopFailed();
        throw new Error(`could not be stopped: ${messageOf(error)}`);
      } finally {
        this.#watch.release();
        if (this.#waiting && !this.#ready && this.#state !== "starting") {
          this.#start(this.#waiting);
        }
      }
    });
  }

  /** Lets go of the machine as it is, as soon as nobody waits for it any more. */
  async retire(): Promise<void> {
    await this.#waiting?.left; // whoever waits is told why
    this.close();
  }

  /** Lets go of the machine as it is. Whoever waits is refused, calls that are in flight end unheard. */
  close(): void {
    this.#closed = true;
    this.#ownership.end();
    this.#holds.ended();
    this.#watch.close();
    this.#idle.end();
    this.#operations.abort(new Error(CLOSED));
    this.#settle(CLOSED);
  }

  /** What the machine's state really is, read while none of our own calls was changing it. */
  #observe(seen: MachineState, reason: string): void {
    switch (this.#state) {
      case "starting":
      case "ready":
        if (seen === "running") return;
        this.#operations.abort();
        if (this.#state === "starting" && seen === "off") {
          this.#fail(`it went off before it was ready (${reason})`);
          return;
        }
        if (seen === "off" && this.ours && this.#goesOffAgain(reason)) return;
        this.#log("info", `${seen} (${reason})`, { reason });
        this.#enter(seen, told(reason));
        this.#settle(`${this.#unikernel.name} was ${seen} while it started`);
        return;
      case "stopping":
        if (seen === "off") this.#stop?.seenOff();
        return;
      default:
        if (seen === "running") this.#awaitOther(reason);
        else if (this.#state !== "failed" && this.#state !== seen) {
          this.#log("info", `${seen} (${reason})`, { reason });
          this.#enter(seen, told(reason));
        }
    }
  }

  /** Leaves a machine that was ready and went off by itself alone for a while, where it does so again and again. */
  #goesOffAgain(reason: string): boolean {
    const lived = this.#context.now() - this.#since;
    const times = this.#backoff.wentOff(lived);
    if (times === 0) return false;
    if (times < CRASH_LOOP) {
      this.#failures++;
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
    if (this.#state === "stopping") this.#stop?.seenReboot();
    else if (this.#state === "ready" || this.#state === "starting") {
      if (!isHeld) this.#awaitOther(`it boots anew: ${reason}`);
    }
  }

  #start(cause: Cause): void {
    const wasOff = this.#state === "off" || this.#state === "failed";
    if (wasOff) this.#ownership.started = true;
    this.#enter("starting", cause);
    this.#watch.hold();
    this.#operations.run((signal) => this.#bringUp(cause, wasOff, signal));
  }

  /** Somebody else started the machine. */
  #awaitOther(reason: string): void {
    const { readiness } = this.#unikernel;
    const waiting = this.#boot.waitingFor(readiness);
    this.#log("info", `running (${reason})${waiting}`, { reason });
    if (this.#state === "starting") this.#holds.ended();
    else this.#enter("starting", told(reason));
    this.#ownership.begin();
    this.#holds.begin(this.#unikernel, this.#calls);
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
    const since = this.#since;
    try {
      const readiness = await this.#boot.start(wasOff, signal);
      if (readiness) await this.#becomeReady(cause, readiness, signal, since);
    } finally {
      this.#boot.leavePlace();
    }
  }

  /** `since` is when its start began here, if it did. */
  async #becomeReady(
    cause: Cause,
    readiness: Readiness,
    signal: AbortSignal,
    since?: number,
  ): Promise<void> {
    const unconfirmed = await this.#boot.untilReady(readiness, signal);
    if (signal.aborted) return;
    const ms = this.#context.now() - (this.#waiting?.since ?? this.#since);
    const began = this.#waiting ? "the query" : "it was started";
    if (unconfirmed === undefined) {
      this.#log("info", `ready ${seconds(ms)} after ${began}`, { ms });
      this.#enterReady(cause);
      if (since !== undefined) this.#lastTimeToReady = this.#since - since;
    } else {
      const what = `unconfirmed: ${unconfirmed}`;
      this.#log(
        "info",
        `taken for ready ${seconds(ms)} after ${began}, ${what}`,
        { ms, unconfirmed },
      );
      this.#enterReady({ ...cause, cause: `${cause.cause}; ${what}` });
      this.#unconfirmed = unconfirmed;
    }
  }

  /** The readiness did not come in time. */
  #late(missing: string): void {
    const { name, readiness: { waitTimeout, waitRequired } } = this.#unikernel;
    this.#boot.leavePlace();
    const what = `did not become ready within ${waitTimeout} s: ${missing}`;
    if (!waitRequired) {
      this.#log("warn", `${what}; taking it for ready`);
      return;
    }
    this.#failures++;
    this.#log("warn", `${what}; waiting on`);
    this.#ready = false;
    this.#settle(`${name} ${what}`);
    this.#idle.begin();
  }

  #fail(reason: string, what = "could not be started"): void {
    this.#failures++;
    this.#failure = `${this.#unikernel.name} ${what}: ${reason}`;
    const ms = this.#backoff.failed();
    this.#log(
      "error",
      `${what}: ${reason}; next try in ${ms / 1000} s or later`,
      { reason, ms },
    );
    this.#enter("failed", told(reason));
    this.#settle(this.#failure);
  }

  /** Goes on with the machine as it is after a stop that failed; `wasReady` in the boot that it is in. */
  async #remain(wasReady: boolean, cause: string): Promise<void> {
    // Where even that cannot be read, it is taken to run as before; see reconcile.
    const state = await this.#calls.state().catch(() => "running" as const);
    if (this.#closed) return;
    if (state !== "running") this.#enter(state, told(cause));
    else if (wasReady) this.#enterReady(told(cause));
    else this.#awaitOther(cause);
  }

  #enterReady(cause: Cause): void {
    this.#backoff.becameReady();
    this.#enter("ready", cause);
    this.#idle.begin();
    this.#settle();
  }

  /** Comes into a state that the one before may lead to. */
  #enter(to: SummonState, cause: Cause): void {
    const from = this.#state;
    if (!mayLead(from, to)) {
      this.#log(
        "error",
        `internal error: ${from} must not lead to ${to} (${cause.cause}); please report this`,
        { from, to },
      );
    }
    this.#become(to, cause);
  }

  #become(to: SummonState, { origin, cause }: Cause): void {
    const from = this.#state;
    const at = this.#context.now();
    this.#state = to;
    this.#since = at;
    this.#ready = to === "ready";
    this.#unconfirmed = undefined;
    if (this.#ready) this.#holds.ready();
    else this.#holds.ended();
    this.#idle.end();
    if (to !== "ready" && to !== "starting") this.#ownership.end();
    if (to === "off" || to === "failed") {
      // A start that was given up may still come, and is ours then.
      this.#ownership.started = this.#calls.stuck;
    }
    const unikernel = this.#unikernel.name;
    this.#context.transitions.publish(
      { unikernel, at, from, to, origin, cause },
      this,
    );
  }

  /** Resolves the summons in flight, or rejects it with `error`. */
  #settle(error?: string): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.settle(error === undefined ? undefined : new Error(error));
  }
}
