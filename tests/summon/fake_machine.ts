/**
 * A machine that does what a test scripts: the state machine's own tests need every order of calls and events, which no
 * real machine gives on demand.
 *
 * @module
 */
import {
  BackendError,
  type Machine,
  type MachineState,
  type MarkPlace,
  type StartAction,
  type StateListener,
} from "../../src/backends/backend.ts";

/** Milliseconds until something happens. */
type Delay = number;
export type Call = "start" | "destroy" | "shutdown" | "suspend";

const STARTED: Record<MachineState, StartAction> = {
  off: "started",
  paused: "unpaused",
  suspended: "resumed",
  running: "found running",
};

/** A place for a mark, which fails when it is told to. */
export class FakeMarkPlace implements MarkPlace {
  writes = 0;
  fails?: string;

  constructor(public mark?: string) {}

  async read(): Promise<string | undefined> {
    await Promise.resolve();
    if (this.fails !== undefined) throw new BackendError(this.fails);
    return this.mark;
  }
  async write(mark: string): Promise<void> {
    await this.read();
    if (!/^[A-Za-z0-9.:;=\/+-]{1,1000}$/.test(mark)) throw new Error(mark);
    this.mark = mark;
    this.writes++;
  }
}

export class FakeMachine implements Machine {
  readonly id: string;
  mark?: FakeMarkPlace;
  gracePeriod?: number;
  onStateChange?: StateListener;
  onReboot?: (reason: string) => void;

  /** The state it is really in. */
  current: MachineState = "off";
  /** Changes with each boot and each resume. */
  domid = 0;
  /** The domid with which it was resumed last. */
  resumed?: number;
  /** Every call that was made to change its state. */
  readonly calls: Call[] = [];
  /** How long each call takes. */
  readonly takes: Partial<Record<Call | "state" | "macs", Delay>> = {};
  /** The errors that the next calls fail with. */
  readonly fails: Partial<Record<Call | "state" | "macs", string[]>> = {};
  /** The errors that the next calls throw at once, before there is a promise. */
  readonly throws: Partial<Record<Call | "state" | "macs", string[]>> = {};
  macs = ["52:54:00:00:00:01"];
  /** When the events of our own calls come: before the call returns, 5 ms after it, or not at all. */
  echo: "before" | "after" | "lost" = "before";
  /** What suspend leaves it in. */
  suspendsTo: "paused" | "suspended" = "suspended";
  /** How long the guest takes to shut down; a deaf one never does. */
  shutsDownIn: Delay | "never" = 0;
  /** Calls in flight, and the most that ever were. */
  changing = 0;
  mostChanging = 0;
  /** Reads of the state in flight. */
  reading = 0;

  readonly #hanging = new Map<string, PromiseWithResolvers<void>>();

  constructor(readonly name = "www") {
    this.id = name;
  }

  /** From now on this call is not answered. */
  hang(call: Call | "state" | "macs"): void {
    if (this.hangs(call)) return;
    this.#hanging.set(call, Promise.withResolvers<void>());
  }
  hangs(call: Call | "state" | "macs"): boolean {
    return this.#hanging.has(call);
  }
  /** All calls that hang have their effect now and are answered. */
  recover(): void {
    for (const { resolve } of this.#hanging.values()) resolve();
    this.#hanging.clear();
  }

  /** Somebody else changes the state; `seen` is whether there is an event of it. */
  become(state: MachineState, reason = "by an admin", seen = true): void {
    if (this.current === "off" && state !== "off") this.domid++;
    this.current = state;
    if (seen) this.onStateChange?.(state, reason);
  }

  state(): Promise<MachineState> {
    this.#throwAtOnce("state");
    return this.#read();
  }
  async #read(): Promise<MachineState> {
    this.reading++;
    try {
      await this.#pass("state");
      return this.current;
    } finally {
      this.reading--;
    }
  }
  start(): Promise<StartAction> {
    return this.#change("start", () => {
      const action = STARTED[this.current];
      if (action === "resumed") this.resumed = ++this.domid;
      if (action !== "found running") this.#ours("running", action);
      return action;
    });
  }
  destroy(): Promise<void> {
    return this.#change("destroy", () => {
      if (this.current !== "off") this.#ours("off", "destroyed");
    });
  }
  shutdown(): Promise<void> {
    return this.#change("shutdown", () => {
      if (this.shutsDownIn === "never") return;
      if (this.shutsDownIn === 0) this.become("off", "shut down");
      else setTimeout(() => this.become("off", "shut down"), this.shutsDownIn);
    });
  }
  suspend(): Promise<"paused" | "suspended"> {
    return this.#change("suspend", () => {
      if (this.current !== "running") throw new BackendError("not running");
      this.#ours(this.suspendsTo, "suspended");
      return this.suspendsTo;
    });
  }
  macAddresses(): Promise<string[]> {
    this.#throwAtOnce("macs");
    return this.#pass("macs").then(() => this.macs);
  }
  domainId(): Promise<number | undefined> {
    return Promise.resolve(this.current === "off" ? undefined : this.domid);
  }

  #throwAtOnce(call: Call | "state" | "macs"): void {
    const error = this.throws[call]?.shift();
    if (error !== undefined) throw new Error(error);
  }
  #change<T>(call: Call, effect: () => T): Promise<T> {
    this.#throwAtOnce(call);
    return this.#carryOut(call, effect);
  }
  async #carryOut<T>(call: Call, effect: () => T): Promise<T> {
    this.calls.push(call);
    this.changing++;
    this.mostChanging = Math.max(this.mostChanging, this.changing);
    try {
      await this.#pass(call);
      return effect();
    } finally {
      this.changing--;
    }
  }
  async #pass(call: Call | "state" | "macs"): Promise<void> {
    const ms = this.takes[call];
    if (ms) await new Promise((resolve) => setTimeout(resolve, ms));
    await this.#hanging.get(call)?.promise;
    const error = this.fails[call]?.shift();
    if (error !== undefined) throw new BackendError(error);
  }
  #ours(state: MachineState, reason: string): void {
    this.become(state, reason, this.echo === "before");
    if (this.echo === "after") {
      setTimeout(() => this.onStateChange?.(state, reason), 5);
    }
  }
}
