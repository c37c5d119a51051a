/**
 * What a machine's state really is, from events that only hint at it. An event may echo what we did ourselves, come
 * before or after our own call has returned, or be overtaken by a later one; so each event only makes us read the
 * state, and a read that one of our own calls ran into is done again after it.
 *
 * @module
 */
import type {
  Machine,
  MachineState,
  StateListener,
} from "../backends/backend.ts";
import type { Calls } from "./calls.ts";
import { messageOf, type UnikernelLog } from "./text.ts";

interface Hint {
  /** The state the event told; none where nothing but time makes us look. */
  state?: MachineState;
  reason: string;
}

/** Watches one machine. */
export class MachineWatch {
  #machine: Machine;
  readonly #calls: Calls;
  readonly #log: UnikernelLog;
  readonly #onState: (state: MachineState, reason: string) => void;
  readonly #onReboot: (reason: string, isHeld: boolean) => void;
  /** How many of our own calls are changing the state at this moment. */
  #held = 0;
  /** Changes whenever such a call begins or ends. */
  #epoch = 0;
  #hint?: Hint;
  #looking?: Promise<void>;
  #unreadable = false;
  #closed = false;
  readonly #listener: StateListener = (state, reason) => {
    this.#hint = { state, reason };
    this.#look();
  };

  readonly #rebootListener = (reason: string) =>
    this.#onReboot(reason, this.#held > 0);

  /**
   * Calls `onState` with each state that was read, which need not differ from the one before, and `onReboot` when it boots
   * anew: `isHeld` while a call of ours is under way, which may be what boots it.
   */
  constructor(
    machine: Machine,
    calls: Calls,
    log: UnikernelLog,
    onState: (state: MachineState, reason: string) => void,
    onReboot: (reason: string, isHeld: boolean) => void,
  ) {
    this.#calls = calls;
    this.#onReboot = onReboot;
    this.#machine = machine;
    this.#log = log;
    this.#onState = onState;
    this.#listen();
  }

  /** From here to {@linkcode release} a call of ours changes the state: what the machine tells meanwhile is kept. */
  hold(): void {
    this.#held++;
    this.#epoch++;
  }

  /** Ends a {@linkcode hold}; if the machine told anything meanwhile, its state is read now. */
  release(): void {
    this.#held--;
    this.#epoch++;
    this.#look();
  }

  /** Reads the state although no event told of a change; resolves when that is done, and never rejects. */
  async check(): Promise<void> {
    if (this.#held > 0) return; // the call that is under way knows better
    this.#hint ??= { reason: "no event told of it" };
    this.#look();
    await this.#looking;
  }

  /** Goes on with another handle of the same machine. */
  change(machine: Machine): void {
    this.#unlisten();
    this.#machine = machine;
    this.#listen();
  }

  /** Tells nothing any more. */
  close(): void {
    this.#closed = true;
    this.#hint = undefined;
    this.#unlisten();
  }

  #listen(): void {
    this.#machine.onStateChange = this.#listener;
    this.#machine.onReboot = this.#rebootListener;
  }

  #unlisten(): void {
    this.#machine.onStateChange = undefined;
    this.#machine.onReboot = undefined;
  }

  #look(): void {
    if (this.#hint && this.#held === 0) this.#looking ??= this.#read();
  }

  async #read(): Promise<void> {
    while (this.#hint && this.#held === 0) {
      const hint = this.#hint;
      const epoch = this.#epoch;
      this.#hint = undefined;
      const state = await this.#state(hint);
      if (this.#closed) return;
      if (epoch !== this.#epoch) this.#hint ??= hint;
      else if (state !== undefined) {
        this.#onState(
          state,
          hint.state === undefined || hint.state === state
            ? hint.reason
            : `found ${state}`,
        );
      }
    }
    this.#looking = undefined;
  }

  /** The state now; where it cannot be read, the state that the event told, if there was one. */
  async #state(hint: Hint): Promise<MachineState | undefined> {
    try {
      const state = await this.#calls.state();
      if (this.#unreadable) {
        this.#unreadable = false;
        this.#log("info", "its state can be read again");
      }
      return state;
    } catch (error) {
      if (!this.#unreadable) {
        this.#unreadable = true;
        this.#log("warn", `its state cannot be read: ${messageOf(error)}`);
      }
      return hint.state;
    }
  }
}
