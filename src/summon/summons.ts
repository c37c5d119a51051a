/**
 * One unikernel at run time as others see it, between the names that are asked for and the machine that answers for them.
 * It knows nothing of DNS messages, nor how a backend does its work.
 *
 * @module
 */
import type { Machine } from "../backends/backend.ts";
import type { Past, SummonContext } from "./context.ts";
import { CLOSED, Lifecycle } from "./lifecycle.ts";
import { refused } from "./operations.ts";
import { type Origin, type SummonState, told } from "./states.ts";
import type { SummonStatus } from "./status.ts";
import type { StopMode, Unikernel } from "./unikernel.ts";
import type { Usage } from "./usage.ts";
import { Summons } from "./waiting.ts";

/** Whether it ran when the earlier daemon ended, as far as that knew. */
const ran = ({ state }: Past) =>
  state === "starting" || state === "ready" || state === "stopping";
/** Whether the earlier daemon had started what ran. One of before this was noted stopped whatever ran. */
const wasOurs = (past: Past) => ran(past) && (past.ours ?? past.starts > 0);

/**
 * A unikernel that starts when it is summoned and stops when nobody asks for it any more. What is read of it has getters
 * only: nobody but itself changes it.
 */
export class SummonedUnikernel implements SummonStatus {
  readonly #life: Lifecycle;
  readonly #context: SummonContext;

  constructor(unikernel: Unikernel, machine: Machine, context: SummonContext) {
    this.#life = new Lifecycle(unikernel, machine, context, this);
    this.#context = context;
  }

  /** As it is configured; another one after {@linkcode reconfigure}. */
  get unikernel(): Unikernel {
    return this.#life.unikernel;
  }
  /**
   * Whether its addresses can be the answer now: it is `ready`, or runs and is to be answered for as early as that. Read
   * for every query.
   */
  get ready(): boolean {
    return this.#life.ready;
  }
  /** How often the machine was started, unpaused or resumed. */
  get starts(): number {
    return this.#life.starts;
  }
  /** How often that failed, or did not make it ready in time where that is required. */
  get failures(): number {
    return this.#life.failures;
  }
  /** Milliseconds that the last start took until it was ready, its turn to start included. */
  get lastTimeToReady(): number | undefined {
    return this.#life.lastTimeToReady;
  }
  get unconfirmed(): string | undefined {
    return this.#life.unconfirmed;
  }
  /** Why it is `failed`, or was for the last time. */
  get failure(): string {
    return this.#life.failure;
  }
  get state(): SummonState {
    return this.#life.state;
  }
  /** When it came into this state, by the summoner's clock. */
  get since(): number {
    return this.#life.since;
  }
  /** Whether a query that summons it begins a start: it is not on the way, and not left alone after a failure. */
  get wouldStart(): boolean {
    const { ready, closed, waiting, state, backoff, calls } = this.#life;
    if (ready || closed || waiting) return false;
    if (state === "starting" || state === "stopping") return false;
    return state !== "failed" || backoff.left() === 0 && !calls.stuck;
  }
  /** Whether this Jitsu started the machine that runs. */
  get ours(): boolean {
    return this.#life.ownership.started;
  }
  /** Whether it is stopped without having been told to: one that somebody else started is his, unless it was given to us. */
  get mayStop(): boolean {
    return this.#life.idle.mayStop;
  }
  /** When the TTLs of all answers that were given out are over, by the summoner's clock; `-Infinity` where there are none. */
  get goodUntil(): number {
    return this.#life.idle.goodUntil;
  }
  /** Milliseconds until it is stopped if nobody asks for it; `undefined` where it does not run. */
  get idleIn(): number | undefined {
    return this.#life.idle.left;
  }
  /** Where DNS notes each request. */
  get usage(): Usage {
    return this.#life.idle.usage;
  }

  /**
   * Goes on as another configuration of the same name says, which may have another handle of the same machine. Nothing
   * is done to the machine: what is under way ends as it began, what was counted of names that stay is kept.
   */
  reconfigure(unikernel: Unikernel, machine: Machine): void {
    this.#life.unikernel = unikernel;
    this.#life.idle.change(unikernel);
    this.#life.boot.change(unikernel, machine);
    if (this.#life.state === "ready" && this.#life.idle.left === undefined) {
      this.#life.idle.begin();
    }
    if (machine === this.#life.machine) return;
    this.#life.machine = machine;
    this.#life.calls.change(machine);
    this.#life.watch.change(machine);
  }

  /**
   * Takes over the machine as it is, once, before anything else. One that runs counts as ready, for whoever uses it
   * already. Rejects with BackendError when its state cannot be read.
   */
  async adopt(past?: Past): Promise<void> {
    if (past) this.#recall(past);
    this.#life.watch.hold();
    try {
      const state = await this.#life.calls.state();
      if (this.#life.closed) return;
      if (state === "running") {
        await this.#life.ownership.recall(past !== undefined && wasOurs(past));
      }
      if (this.#life.closed) return;
      const found = state === "running" ? "ready" : state;
      if (found === "off" && this.#life.state === "off") return;
      this.#life.log("info", `found ${state}`);
      if (found !== this.#life.state) {
        this.#life.become(found, told(`found ${state}`));
      }
      this.#life.ready = found === "ready";
      // The idle clock of one that somebody else started begins now.
      if (this.#life.ready) {
        this.#life.ownership.begin();
        this.#life.idle.begin(past && ran(past) ? past.since : undefined);
      }
    } finally {
      this.#life.watch.release();
    }
  }

  #recall(past: Past): void {
    this.#life.state = past.state;
    this.#life.since = past.since;
    this.#life.starts = past.starts;
    this.#life.failures = past.failures;
    this.#life.lastTimeToReady = past.lastTimeToReady;
    this.#life.idle.recall(past);
  }

  /** Reads the machine's state and goes by it, in case an event was lost. Never rejects. */
  reconcile(): Promise<void> {
    return this.#life.watch.check();
  }

  /**
   * Makes it ready. Resolves when it can be the answer; rejects with an error whose message can be shown to whoever
   * asks. `cause` is for the log, e.g. `"A www.example.org from 127.0.0.1#5353"`. The operator need not wait where it has
   * just failed.
   */
  summon(cause: string, origin: Origin = "query"): Promise<void> {
    if (this.#life.ready) return Promise.resolve();
    if (this.#life.closed) return refused(CLOSED);
    const whyLate = origin === "operator"
      ? undefined
      : () => this.#life.boot.whyLate(this.#life.state === "stopping");
    if (this.#life.waiting) {
      this.#life.log("debug", `summoned by ${cause} too`, { cause });
      return this.#life.waiting.join(whyLate);
    }
    const left = origin === "operator" ? 0 : this.#life.backoff.left();
    if (this.#life.state === "failed" && left > 0) {
      return refused(
        `${this.#life.failure}; next try in ${Math.ceil(left / 1000)} s`,
      );
    }
    if (this.#life.state === "failed" && this.#life.calls.stuck) {
      return refused(`${this.#life.failure}, and that is not over yet`);
    }
    const waiting = new Summons({ origin, cause }, this.#context.now());
    this.#life.waiting = waiting;
    const promise = waiting.join(whyLate);
    this.#life.log("info", `summoned by ${cause}`, { cause });
    if (this.#life.state === "starting") this.#life.boot.extend();
    else if (this.#life.state !== "stopping") this.#life.start(waiting);
    return promise;
  }

  /**
   * Stops it; whoever waits for it is refused. Resolves when it is stopped and rejects when it could not be; both need
   * no handler. What does not run is left as it is, unless `mode` is destroy; that is as configured
   * where it is not given. A stop in flight is joined.
   */
  stop(reason: string, mode?: StopMode, origin?: Origin): Promise<void> {
    return this.#life.stop(reason, mode, origin);
  }

  /** Lets go of the machine as it is, as soon as nobody waits for it any more. */
  async retire(): Promise<void> {
    await this.#life.waiting?.left; // whoever waits is told why
    this.close();
  }

  /** Lets go of the machine as it is. Whoever waits is refused, calls that are in flight end unheard. */
  close(): void {
    this.#life.close();
  }
}
