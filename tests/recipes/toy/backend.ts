/**
 * Machines that are files.
 *
 * @module
 */
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
  machine({ name, keys }: MachineConfig<ToyKeys>): Promise<Machine> {
    return Promise.resolve(new ToyMachine(name, keys.file));
  }

  async close(): Promise<void> {}
}

class ToyMachine implements Machine {
  onStateChange?: StateListener;
  readonly id: string;

  constructor(readonly name: string, file: string) {
    this.id = file;
  }

  async state(): Promise<MachineState> {
    try {
      await Deno.stat(this.id);
      return "running";
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "off";
      throw failure(error);
    }
  }

  async start(): Promise<StartAction> {
    if (await this.state() === "running") return "found running";
    await Deno.writeTextFile(this.id, "").catch(fail);
    this.onStateChange?.("running", "made");
    return "started";
  }

  async destroy(): Promise<void> {
    if (await this.state() === "off") return;
    await Deno.remove(this.id).catch(fail);
    this.onStateChange?.("off", "removed");
  }

  shutdown(): Promise<void> {
    return this.destroy();
  }

  suspend(): Promise<never> {
    return Promise.reject(new BackendError("a file cannot be suspended"));
  }
}

const failure = (error: unknown) => new BackendError((error as Error).message);

function fail(error: unknown): never {
  throw failure(error);
}
