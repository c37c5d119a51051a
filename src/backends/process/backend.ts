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
import { Children } from "./children.ts";
import type { ProcessKeys } from "./description.ts";
import { type ProcessHost, ProcessMachine } from "./machine.ts";
import { bearingNone, Marks } from "./mark.ts";
import { PipeReader } from "./pipes.ts";
import { Watchdog } from "./watchdog.ts";

function newHost(): ProcessHost {
  const marks = new Marks();
  return {
    marks,
    watchdog: new Watchdog(marks.prefix),
    children: new Children(),
    pipes: new PipeReader(),
  };
}

/** See the module's comment. */
export class ProcessBackend implements Backend<ProcessKeys> {
  /** By name: what runs goes on under another configuration of the same name. */
  readonly #machines = new Map<string, ProcessMachine>();
  readonly #host = newHost();
  /** Whose each pidfile is. */
  readonly #pidfiles = new Map<string, string>();

  async machine(config: MachineConfig<ProcessKeys>): Promise<Machine> {
    const { name } = config;
    const pidfile = config.keys.pidfile;
    const owner = pidfile && this.#pidfiles.get(pidfile);
    if (owner && owner !== name) {
      throw new BackendError(
        `pidfile=${pidfile}: ${owner} has it too: give each its own`,
      );
    }
    const known = this.#machines.get(name);
    if (known !== undefined) {
      known.reconfigure(config);
      this.#forgetPidfile(name);
    }
    if (pidfile !== undefined) this.#pidfiles.set(pidfile, name);
    if (known !== undefined) return known;
    const machine = await ProcessMachine.open(
      config,
      this.#host,
      () => this.#release(machine),
    );
    this.#machines.set(name, machine);
    return machine;
  }

  async close(): Promise<void> {
    const machines = [...this.#machines.values()];
    await Promise.all(machines.map((machine) => machine.close()));
    // As long as one is being started we bear its mark ourselves, and the watchdog would kill us.
    await bearingNone();
    await this.#host.watchdog.close();
    await this.#host.pipes.close();
  }

  /** Forgets a machine, unless it has a process: that must not outlive the daemon. */
  #release(machine: ProcessMachine): void {
    if (!machine.isOff) return;
    this.#machines.delete(machine.name);
    this.#forgetPidfile(machine.name);
  }

  #forgetPidfile(name: string): void {
    for (const [pidfile, owner] of this.#pidfiles) {
      if (owner === name) this.#pidfiles.delete(pidfile);
    }
  }
}
