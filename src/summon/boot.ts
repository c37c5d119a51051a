/**
 * How a machine comes up: its turn to start, the call that starts it, and the wait until it is ready.
 *
 * @module
 */
import type { Machine } from "../backends/backend.ts";
import type { Calls } from "./calls.ts";
import type { SummonContext } from "./context.ts";
import type { Holds } from "./hold.ts";
import type { Ownership } from "./ownership.ts";
import {
  describeReadiness,
  isTaken,
  patienceOf,
  readinessAfter,
  ReadinessWait,
} from "./readiness.ts";
import { messageOf, seconds, type UnikernelLog } from "./text.ts";
import type { Readiness, Unikernel } from "./unikernel.ts";
import { ANSWER_LIMIT } from "./waiting.ts";
import type { MachineWatch } from "./watch.ts";

/** What the boots of one machine share with all else that is done to it, and what they tell. */
export interface BootContext {
  /** What all unikernels share. */
  readonly shared: SummonContext;
  readonly calls: Calls;
  readonly holds: Holds;
  readonly ownership: Ownership;
  /** Held by the caller before {@linkcode Boot.start}, which lets go of it. */
  readonly watch: MachineWatch;
  readonly log: UnikernelLog;
  /** The machine's turn to start has come. */
  onTurn(): void;
  /** It could not be started. */
  onFailure(message: string): void;
  /** It runs, and is to be answered for before it is ready (`answer=early`). */
  onEarly(): void;
  /** `wait_timeout` is over; `missing` says what has not come yet. */
  onLate(missing: string): void;
}

/** Brings one machine up, one boot after another. */
export class Boot {
  #unikernel: Unikernel;
  #machine: Machine;
  readonly #context: BootContext;
  /** Held until the machine is ready, or was waited for long enough. */
  #place?: Disposable;
  #readiness?: ReadinessWait;

  constructor(unikernel: Unikernel, machine: Machine, context: BootContext) {
    this.#unikernel = unikernel;
    this.#machine = machine;
    this.#context = context;
  }

  /** Goes on with another configuration and another handle of the same machine; what is waited for is so to the end. */
  change(unikernel: Unikernel, machine: Machine): void {
    this.#unikernel = unikernel;
    this.#machine = machine;
  }

  /**
   * Has the backend start it when its turn has come; `wasOff` tells a boot from a machine that goes on as it was. Resolves
   * with what is to be waited for then; with nothing if it failed, which has been told, or `signal` has aborted. Never
   * rejects.
   */
  async start(
    wasOff: boolean,
    signal: AbortSignal,
  ): Promise<Readiness | undefined> {
    const { shared, calls, holds, ownership, watch, log } = this.#context;
    const { starts, now } = shared;
    try {
      if (starts.full) log("info", `waiting, ${starts.max} are being started`);
      this.#place = await starts.enter(signal);
      signal.throwIfAborted();
      this.#context.onTurn();
      await this.#refuseStrangers();
      holds.begin(this.#unikernel, calls);
      const began = now();
      const action = await calls.start();
      const ms = now() - began;
      if (action === "found running" && wasOff) {
        ownership.started = false; // somebody else was first
      }
      ownership.begin();
      const readiness = readinessAfter(action, this.#unikernel.readiness);
      const waiting = this.waitingFor(readiness);
      log("info", `${action} in ${seconds(ms)}${waiting}`, { ms });
      return signal.aborted ? undefined : readiness;
    } catch (error) {
      const message = messageOf(error);
      if (!signal.aborted) this.#context.onFailure(message);
      else if (error !== signal.reason) {
        log("error", `could not be started: ${message}`);
      }
    } finally {
      watch.release();
    }
  }

  /** Somebody else who listens on the port that tells that the machine is ready would be taken for it. */
  async #refuseStrangers(): Promise<void> {
    const { name, addresses: [address], readiness } = this.#unikernel;
    const { waitForTcp: port, waitRequired } = readiness;
    if (port === undefined || !await isTaken(address, port)) return;
    if (await this.#context.calls.state() !== "off") return;
    const message =
      `TCP port ${port} of ${address} accepts connections though ${name} is off: ` +
      `somebody else listens there, stop that or give ${name} another port or address`;
    if (waitRequired) throw new Error(message);
    this.#context.log("warn", `${message}; starting it all the same`);
  }

  /**
   * Waits for a machine that runs. Resolves when it is ready, or is to be taken for that: then with what has not come.
   * Nothing is to be made of what it resolves with where `signal` has aborted.
   */
  async untilReady(
    readiness: Readiness,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { shared, calls, holds } = this.#context;
    if (this.#unikernel.answer === "early" && !signal.aborted) {
      this.#context.onEarly();
    }
    this.#readiness = new ReadinessWait({ ...this.#unikernel, readiness }, {
      machine: this.#machine.readiness,
      domainId: () => calls.domainId(),
      waitForXenstoreKey: shared.waitForXenstoreKey,
      heard: holds.heard,
      onTimeout: (missing) => this.#context.onLate(missing),
    });
    try {
      return await this.#readiness.run(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#readiness = undefined;
    }
  }

  /** Gives somebody who begins to wait now as long as the others had. */
  extend(): void {
    this.#readiness?.extend();
  }

  /** Lets another machine start. */
  leavePlace(): void {
    this.#place?.[Symbol.dispose]();
    this.#place = undefined;
  }

  /** What is waited for, as the end of a sentence; empty where the machine is ready at once. */
  waitingFor(readiness: Readiness): string {
    const what = describeReadiness(readiness, this.#machine.readiness);
    return what === undefined ? "" : `, waiting for ${what}`;
  }

  /**
   * What to say to somebody who has waited as long as he can; nothing where he is to wait on. `isStopping` tells that it is
   * still being stopped, and starts after that.
   */
  whyLate(isStopping: boolean): string | undefined {
    const { name, readiness } = this.#unikernel;
    if (this.#readiness !== undefined) {
      const configured = patienceOf(readiness, this.#machine.readiness);
      if (configured > ANSWER_LIMIT) return undefined;
      const { missing } = this.#readiness;
      return `${name} runs, and is not ready yet${missing && `: ${missing}`}`;
    }
    const { starts } = this.#context.shared;
    const isQueued = this.#place === undefined;
    return `${name} is still ${
      isStopping
        ? "being stopped, and starts after that"
        : isQueued && starts.full
        ? `waiting for its turn: ${starts.max} are being started`
        : "being started by its backend"
    }; ask again later`;
  }
}
