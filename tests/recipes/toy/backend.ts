/**
 * Machines that are files.
 *
 * @module
 */
import { dirname } from "node:path";
import {
  type Backend,
  BackendError,
  type Machine,
  type MachineConfig,
  type MachineState,
  type StartAction,
  type StateListener,
} from "../../../src/backends/backend.ts";
import type { ToyKeys } from "./description.ts";

export class ToyBackend implements Backend<ToyKeys> {
  readonly #machines = new Set<ToyMachine>();

  async machine({ name, keys }: MachineConfig<ToyKeys>): Promise<Machine> {
    const machine = new ToyMachine(name, keys.file);
    await machine.watch();
    this.#machines.add(machine);
    return machine;
  }

  close(): Promise<void> {
    for (const machine of this.#machines) machine.release();
    return Promise.resolve();
  }
}

class ToyMachine implements Machine {
  onStateChange?: StateListener;
  readonly id: string;
  #watcher?: Deno.FsWatcher;
  #told: MachineState = "off";

  constructor(readonly name: string, file: string) {
    this.id = file;
  }

  /** Tells from now on what becomes of the file. */
  watch(): Promise<void> {
    return this.#do("find", async () => {
      this.#watcher = Deno.watchFs(dirname(this.id), { recursive: false });
      this.#told = await this.#state();
      this.#follow(this.#watcher);
    });
  }

  async #follow(watcher: Deno.FsWatcher): Promise<void> {
    for await (const { kind } of watcher) {
      this.#tell(await this.#state(), `${kind} of ${this.id}`);
    }
  }

  #tell(state: MachineState, reason: string): void {
    if (state === this.#told || this.#watcher === undefined) return;
    this.#told = state;
    this.onStateChange?.(state, reason);
  }

  state(): Promise<MachineState> {
    return this.#do("look at", () => this.#state());
  }

  async #state(): Promise<MachineState> {
    try {
      await Deno.stat(this.id);
      return "running";
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "off";
      throw error;
    }
  }

  start(): Promise<StartAction> {
    return this.#do("start", async () => {
      try {
        await Deno.writeTextFile(this.id, "", { createNew: true });
        this.#tell("running", "made");
        return "started";
      } catch (error) {
        if (await this.#state() === "running") return "found running";
        throw error;
      }
    });
  }

  destroy(): Promise<void> {
    return this.#do("destroy", async () => {
      try {
        await Deno.remove(this.id);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      this.#tell("off", "removed");
    });
  }

  shutdown(): Promise<void> {
    return this.destroy();
  }

  suspend(): Promise<never> {
    return this.#do("suspend", () => {
      throw new Error("a file cannot be suspended");
    });
  }

  release(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  async #do<T>(words: string, work: () => Promise<T>): Promise<T> {
    try {
      if (words !== "find" && this.#watcher === undefined) {
        throw new Error("it was let go of");
      }
      return await work();
    } catch (error) {
      throw new BackendError(
        `cannot ${words} ${this.name}: ${(error as Error).message}`,
      );
    }
  }
}
