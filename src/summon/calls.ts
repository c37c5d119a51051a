/**
 * The calls that are made into a backend for one machine, so that nothing it does keeps the machine in a state for ever:
 * what it throws at once is a rejection like any other, and what it does not answer is given up after a while.
 *
 * A call that was given up may still have its effect, so no other that changes the machine is made until it is over.
 *
 * @module
 */
import type {
  Machine,
  MachineState,
  StartAction,
} from "../backends/backend.ts";
import { timer } from "../wait.ts";

/** Milliseconds that a call which reads something may take. */
const READ_LIMIT = 10_000;
/** Milliseconds that one which changes the machine may take: much memory takes long to be saved and restored. */
const CHANGE_LIMIT = 600_000;

/** See the module's comment. All of its calls reject with an Error. */
export class Calls {
  #machine: Machine;
  /** What was given up and is not over, and when it is. */
  readonly #stuck = new Map<string, Promise<void>>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Goes on with another handle of the same machine. */
  change(machine: Machine): void {
    this.#machine = machine;
  }

  /** Resolves when no call that changes the machine is under way any more, though given up. */
  async over(): Promise<void> {
    await this.#stuck.get("change");
  }

  /** Whether a call that changes the machine was given up and is not over. */
  get stuck(): boolean {
    return this.#stuck.has("change");
  }

  state(): Promise<MachineState> {
    return this.#read("state", (machine) => machine.state());
  }
  macAddresses(): Promise<string[]> {
    return this.#read(
      "MAC addresses",
      async (machine) => await machine.macAddresses?.() ?? [],
    );
  }
  domainId(): Promise<number | undefined> {
    return this.#read(
      "domain id",
      async (machine) => await machine.domainId?.(),
    );
  }
  /** Whether it has a place for a mark. */
  get hasMark(): boolean {
    return this.#machine.mark !== undefined;
  }
  readMark(): Promise<string | undefined> {
    return this.#read("mark", async ({ mark }) => await mark?.read());
  }
  async writeMark(text: string): Promise<void> {
    await this.#read("mark", async ({ mark }) => await mark?.write(text));
  }

  start(): Promise<StartAction> {
    return this.#change((machine) => machine.start());
  }
  destroy(): Promise<void> {
    return this.#change((machine) => machine.destroy());
  }
  shutdown(): Promise<void> {
    return this.#change((machine) => machine.shutdown());
  }
  suspend(): Promise<"paused" | "suspended"> {
    return this.#change((machine) => machine.suspend());
  }

  #read<T>(what: string, call: (machine: Machine) => Promise<T>): Promise<T> {
    return this.#limited(what, READ_LIMIT, call);
  }
  #change<T>(call: (machine: Machine) => Promise<T>): Promise<T> {
    return this.#limited("change", CHANGE_LIMIT, call);
  }

  async #limited<T>(
    what: string,
    limit: number,
    call: (machine: Machine) => Promise<T>,
  ): Promise<T> {
    if (this.#stuck.has(what)) {
      throw new Error("the backend has not answered an earlier call yet");
    }
    const answer = Promise.try(call, this.#machine);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const clock = timer(() => {
      const over = answer.then(() => {}, () => {}).finally(() =>
        this.#stuck.delete(what)
      );
      this.#stuck.set(what, over);
      reject(new Error(`the backend has not answered for ${limit / 1000} s`));
    }, limit);
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(clock);
    }
  }
}
