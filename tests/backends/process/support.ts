/**
 * What the tests of the process backend share: machines from keys, what was told of them, and a look at /proc.
 *
 * @module
 */
import { BaseHandler, setup } from "@std/log";
import { machineConfig } from "../machine_config.ts";
import {
  PROCESS,
  type ProcessKeys,
} from "../../../src/backends/process/description.ts";
import { ProcessBackend } from "../../../src/backends/process/backend.ts";
import { readStat } from "../../../src/procfs.ts";
import { until } from "../../until.ts";

export type Keys = Record<string, string | string[]>;

export function config(name: string, keys: Keys) {
  return machineConfig<ProcessKeys>(PROCESS, name, keys);
}

/** A backend that is closed when it is disposed of, and what its machines told. */
export class TestBackend extends ProcessBackend {
  /** "NAME STATE: REASON" */
  readonly told: string[] = [];

  async with(keys: Keys, name = "www") {
    const machine = await this.machine(config(name, keys));
    machine.onStateChange = (state, reason) =>
      this.told.push(`${name} ${state}: ${reason}`);
    return machine;
  }

  /** Waits for the last thing that was told to match. */
  async tells(pattern: RegExp): Promise<void> {
    await until(
      `${pattern} to be told`,
      () => pattern.test(this.told.at(-1) ?? ""),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What is logged from now on, as "PART LEVEL MESSAGE". */
export function captureLog(): string[] {
  const lines: string[] = [];
  class Capture extends BaseHandler {
    log(line: string): void {
      lines.push(line);
    }
  }
  const capture = new Capture("DEBUG", {
    formatter: ({ loggerName, levelName, msg }) =>
      `${loggerName} ${levelName} ${msg}`,
  });
  const logger = { level: "DEBUG" as const, handlers: ["capture"] };
  setup({
    handlers: { capture },
    loggers: { machine: logger, backend: logger },
  });
  return lines;
}

/** The processes of a group, zombies too: each one's pid and state letter. */
export function membersOf(pgrp: number): { pid: number; state: string }[] {
  return processes().filter((each) => each.pgrp === pgrp);
}

/** All processes. */
export function processes() {
  return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
    return stat ? [{ pid: Number(name), ...stat }] : [];
  });
}

/** Whether the process executes or could; a zombie does not. */
export function lives(pid: number): boolean {
  const state = readStat(pid)?.state;
  return state !== undefined && state !== "Z";
}

/** Waits for a file that a process writes, and for what is in it to be whole: to end in a newline. */
export function contentOf(path: string): Promise<string> {
  return until(`${path} to be written`, () => {
    try {
      const text = Deno.readTextFileSync(path);
      return text.endsWith("\n") && text.trimEnd();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}

/** A directory of the test's own, removed when it is disposed of. */
export class TestDirectory {
  readonly path = Deno.makeTempDirSync();
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
