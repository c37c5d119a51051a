/**
 * How a running machine is stopped in each mode, and what happens when a shutdown takes too long.
 *
 * @module
 */
import type { MachineState } from "../backends/backend.ts";
import type { Calls } from "./calls.ts";
import type { Limit } from "../limit.ts";
import { timer } from "../wait.ts";
import { messageOf, seconds, type UnikernelLog } from "./text.ts";
import type { StopMode } from "./unikernel.ts";
import type { MachineWatch } from "./watch.ts";

/** What is being done to a machine, in words. */
export const STOPPING: Record<StopMode, string> = {
  destroy: "destroying",
  shutdown: "shutting down",
  suspend: "suspending",
};

/** What a stop needs of its surroundings. */
export interface StopContext {
  /** Bounds the calls into the backend. */
  readonly limit: Limit;
  /** Held by the caller for the time of {@linkcode MachineStop.run}; let go of while a guest shuts itself down. */
  readonly watch: MachineWatch;
  /** A monotonic clock in milliseconds. */
  now(): number;
  /** Milliseconds that a shutdown may take. */
  readonly gracePeriod: number;
  readonly log: UnikernelLog;
}

/** One stop of one machine. */
export class MachineStop {
  readonly #machine: Calls;
  readonly #mode: StopMode;
  readonly #context: StopContext;
  #onOff?: () => void;
  #rebooted = false;

  constructor(machine: Calls, mode: StopMode, context: StopContext) {
    this.#machine = machine;
    this.#mode = mode;
    this.#context = context;
  }

  /**
   * Stops the machine and resolves with the state this left it in. A machine that does not run is left as it is, unless
   * the mode is destroy. Rejects with what the backend says, or with the signal's reason when that aborts between calls.
   */
  async run(signal: AbortSignal): Promise<Exclude<MachineState, "running">> {
    const machine = this.#machine;
    const { limit, log } = this.#context;
    const found = await machine.state(); // a start that was interrupted may have left it in any
    if (found !== "running" && (found === "off" || this.#mode !== "destroy")) {
      return found;
    }
    if (this.#mode === "suspend") {
      return await limit.run(() => machine.suspend(), signal);
    }
    if (this.#mode === "shutdown") {
      const failure = await this.#shutDown(signal);
      if (failure === undefined) return "off";
      log("warn", `${failure}, destroying it`);
    }
    await limit.run(() => machine.destroy(), signal);
    return "off";
  }

  /**
   * Resolves when the machine has shut down, or with what to say when its grace period is over. Rejects when the request
   * fails sooner: the guest had no time.
   */
  async #shutDown(signal: AbortSignal): Promise<string | undefined> {
    const { limit, gracePeriod, now } = this.#context;
    const late = `did not shut down within ${seconds(gracePeriod)}`;
    const refusal = await limit.run(async () => {
      const asked = now();
      try {
        await this.#machine.shutdown();
      } catch (error) {
        // libvirt's Xen driver waits for the guest's consent, and fails after a minute.
        if (signal.aborted || now() - asked < gracePeriod) throw error;
        return messageOf(error);
      }
    }, signal);
    if (refusal !== undefined) return `${late} (${refusal})`;
    return await this.#offWithin(gracePeriod, signal) ? undefined : late;
  }

  /** Ends the grace period of a shutdown: the machine was seen off. */
  seenOff(): void {
    this.#onOff?.();
  }

  /** The machine booted anew, which nothing that stops it does: the guest reboots instead, or somebody else has it do so. */
  seenReboot(): void {
    this.#rebooted = true;
  }

  /** Whether it booted anew since this began: what it had told of being ready was of the boot before. */
  get rebooted(): boolean {
    return this.#rebooted;
  }

  async #offWithin(ms: number, signal: AbortSignal): Promise<boolean> {
    const { watch } = this.#context;
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const clock = timer(() => resolve(false), ms);
    this.#onOff = () => resolve(true);
    watch.release();
    try {
      return await promise;
    } finally {
      watch.hold();
      clearTimeout(clock);
      signal.removeEventListener("abort", abort);
    }
  }
}
