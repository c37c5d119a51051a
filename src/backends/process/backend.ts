/**
 * The process backend: machines that are child processes of the daemon, made from their configuration.
 *
 * @module
 */
import {
  type Backend,
  BackendError,
  type Machine,
  type MachineConfig,
} from "../backend.ts";
import { ProcessMachine } from "./machine.ts";
import { Watchdog } from "./watchdog.ts";

/** See the module's comment. */
export class ProcessBackend implements Backend {
  readonly #machines: ProcessMachine[] = [];
  readonly #watchdog = new Watchdog();
  /** Whose each pidfile is. */
  readonly #pidfiles = new Map<string, string>();

  async machine(config: MachineConfig): Promise<Machine> {
    const pidfile = config.keys.get("pidfile")?.[0];
    if (pidfile !== undefined) {
      const owner = this.#pidfiles.get(pidfile);
      if (owner !== undefined) {
        throw new BackendError(
          `pidfile=${pidfile}: ${owner} has it too: give each its own`,
        );
      }
      this.#pidfiles.set(pidfile, config.name);
    }
    const machine = await ProcessMachine.open(config, this.#watchdog);
    this.#machines.push(machine);
    return machine;
  }

  async close(): Promise<void> {
    await Promise.all(this.#machines.map((machine) => machine.close()));
    await this.#watchdog.close();
  }
}
