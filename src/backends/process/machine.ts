/**
 * A machine that is a process: started, suspended and stopped with signals to its process group.
 *
 * @module
 */
import { log } from "../../log.ts";
import {
  BackendError,
  type Machine,
  type MachineConfig,
  type MachineState,
  type StartAction,
  type StateListener,
} from "../backend.ts";
import { type Command, commandOf } from "./command.ts";
import { ProcessGroup } from "./group.ts";
import { forEachLine } from "./output.ts";
import { readPidfile, removePidfile, writePidfile } from "./pidfile.ts";
import type { Watchdog } from "./watchdog.ts";

/** How long a process may take to stop executing after SIGSTOP; one that waits for a disk stops when it has waited. */
const SUSPEND_TIMEOUT_MS = 5000;
/** When the daemon exits: how long a process may take to exit after SIGTERM, and to vanish after SIGKILL. */
const CLOSE_TERM_MS = 2000;
const CLOSE_KILL_MS = 1000;

const delay = (ms: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, ms));

async function settlesWithin(
  promise: Promise<unknown>,
  ms: number,
): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function pidfileOf(config: MachineConfig): string | undefined {
  return config.keys.get("pidfile")?.[0];
}

/** In milliseconds. */
function gracePeriodOf(config: MachineConfig): number | undefined {
  const killTimeout = config.keys.get("kill_timeout")?.[0];
  return killTimeout === undefined ? undefined : Number(killTimeout) * 1000;
}

/** What runs now. */
interface Run {
  group: ProcessGroup;
  /** Settles when the process has ended, everything is cleaned up and the listener was told. */
  over: Promise<void>;
}

/** See the module's comment. */
export class ProcessMachine implements Machine {
  readonly id: string;
  readonly name: string;
  gracePeriod?: number;
  onStateChange?: StateListener;
  #command: Command;
  #pidfile?: string;
  readonly #watchdog: Watchdog;
  /** Ends the reading of output that something which left the process group keeps open. */
  readonly #reading = new AbortController();
  #run?: Run;
  #closed = false;

  private constructor(
    config: MachineConfig,
    watchdog: Watchdog,
    readonly release: () => void,
  ) {
    this.id = this.name = config.name;
    this.#command = commandOf(config);
    this.#pidfile = pidfileOf(config);
    this.gracePeriod = gracePeriodOf(config);
    this.#watchdog = watchdog;
  }

  /** Checks the configuration, and adopts the process that an earlier daemon left. */
  static async open(
    config: MachineConfig,
    watchdog: Watchdog,
    release: () => void,
  ): Promise<ProcessMachine> {
    const machine = new ProcessMachine(config, watchdog, release);
    await machine.#adopt();
    return machine;
  }

  /** Whether there is no process. */
  get isOff(): boolean {
    return this.#run === undefined;
  }

  /** Goes by another configuration from the next start on. Throws {@linkcode BackendError}, and all stays as it was. */
  reconfigure(config: MachineConfig): void {
    const command = commandOf(config);
    const pidfile = pidfileOf(config);
    if (pidfile !== this.#pidfile && !this.isOff) {
      throw new BackendError(
        `pidfile=${pidfile ?? ""}: its process has ${
          this.#pidfile ?? "none"
        } as long as it lives: stop it first`,
      );
    }
    this.#command = command;
    this.#pidfile = pidfile;
    this.gracePeriod = gracePeriodOf(config);
  }

  async #adopt(): Promise<void> {
    if (this.#pidfile === undefined) return;
    const identity = await readPidfile(this.#pidfile);
    const group = identity && ProcessGroup.adopt(identity);
    if (group === undefined) return;
    if (group.state() === "running") {
      await this.#watchdog.open();
      await this.#watchdog.track(group);
    }
    this.#run = { group, over: this.#whenOver(group) };
    log("backend").info(
      `${this.name}: found process ${group.pid} again, ${group.state()}`,
    );
  }

  state(): Promise<MachineState> {
    if (this.#run === undefined) return Promise.resolve("off");
    // An end shows once it is told, with its reason.
    const paused = this.#run.group.state() === "paused";
    return Promise.resolve(paused ? "paused" : "running");
  }

  async start(): Promise<StartAction> {
    const run = this.#run;
    switch (run?.group.state()) {
      case "running":
        return "found running";
      case "paused":
        await this.#watchdog.open();
        await this.#watchdog.track(run!.group);
        run!.group.signal("SIGCONT");
        this.onStateChange?.("running", "continued with SIGCONT");
        return "unpaused";
      case "off":
        await run!.over;
    }
    await this.#watchdog.open();
    if (this.#closed) throw new BackendError("Jitsu is exiting");
    const group = this.#spawn();
    const tracked = this.#watchdog.track(group);
    this.#run = { group, over: this.#whenOver(group) };
    this.onStateChange?.("running", `started as process ${group.pid}`);
    await tracked;
    if (this.#pidfile !== undefined) {
      try {
        await writePidfile(this.#pidfile, group);
      } catch (error) {
        await this.destroy();
        throw error;
      }
    }
    return "started";
  }

  async destroy(): Promise<void> {
    this.#run?.group.signal("SIGKILL");
    await this.#run?.over;
  }

  // A process that was suspended gets SIGTERM only once it continues.
  shutdown(): Promise<void> {
    return Promise.try(() => this.#run?.group.signal("SIGTERM", "SIGCONT"));
  }

  async suspend(): Promise<"paused"> {
    const group = this.#run?.group;
    if (group === undefined) throw new BackendError("it does not run");
    if (group.state() === "paused") return "paused";
    // The leader first: were the group stopped at once, a leader amid vfork(2) would wait for its stopped child.
    group.signalLeader("SIGSTOP");
    const end = Date.now() + SUSPEND_TIMEOUT_MS;
    while (group.state() === "running" && Date.now() < end) await delay(1);
    switch (group.state()) {
      case "off":
        throw new BackendError("it ended before it was suspended");
      case "running":
        group.signalLeader("SIGCONT");
        throw new BackendError(
          `it still executes ${
            SUSPEND_TIMEOUT_MS / 1000
          } s after SIGSTOP, it may be waiting for a disk`,
        );
    }
    group.signal("SIGSTOP");
    this.onStateChange?.("paused", "stopped with SIGSTOP");
    // Only with a pidfile would anybody find it again.
    if (this.#pidfile !== undefined) await this.#watchdog.untrack(group);
    return "paused";
  }

  /** A process has no network interfaces of its own. */
  macAddresses(): Promise<string[]> {
    return Promise.resolve([]);
  }

  domainId(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** Ends the process, within 3 s, unless it is suspended and can be found again. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    try {
      if (this.#run !== undefined) await this.#leave(this.#run);
    } catch (error) {
      log("backend").error(`${this.name}: ${(error as Error).message}`);
    }
    this.#reading.abort();
  }

  async #leave({ group, over }: Run): Promise<void> {
    if (this.#pidfile !== undefined && group.state() === "paused") {
      await this.#watchdog.untrack(group);
      group.release();
      log("backend").info(`${this.name}: left process ${group.pid} suspended`);
      return;
    }
    group.signal("SIGTERM", "SIGCONT");
    if (await settlesWithin(over, CLOSE_TERM_MS)) return;
    group.signal("SIGKILL");
    if (await settlesWithin(over, CLOSE_KILL_MS)) return;
    group.release();
    log("backend").error(
      `${this.name}: process ${group.pid} is still there after SIGKILL`,
    );
  }

  /** Throws {@linkcode BackendError}. */
  #spawn(): ProcessGroup {
    const { program, ...options } = this.#command;
    // Output that we read would be lost for a process that outlives us.
    const output = this.#pidfile === undefined ? "piped" : "inherit";
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(program, {
        ...options,
        stdin: "null",
        stdout: output,
        stderr: output,
        detached: true, // its own session and process group: setsid(2)
      }).spawn();
    } catch (error) {
      const hint = error instanceof Deno.errors.NotFound
        ? ": it or the interpreter it names is gone"
        : "";
      throw new BackendError((error as Error).message + hint);
    }
    const group = ProcessGroup.ofChild(child);
    if (output === "piped") {
      this.#logLines(child.stdout);
      this.#logLines(child.stderr);
    }
    return group;
  }

  #logLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): void {
    const { signal } = this.#reading;
    forEachLine(stream, (line) => {
      log("machine").info(`${this.name}: ${line}`, { machine: this.name });
    }, signal).catch((error) => {
      if (signal.aborted) return;
      log("backend").warn(`${this.name}: reading its output: ${error.message}`);
    });
  }

  async #whenOver(group: ProcessGroup): Promise<void> {
    const reason = await group.ended;
    try {
      group.killRest();
      if (this.#pidfile !== undefined) await removePidfile(this.#pidfile);
    } catch (error) {
      log("backend").warn(`${this.name}: ${(error as Error).message}`);
    }
    await this.#watchdog.untrack(group);
    this.#run = undefined;
    this.onStateChange?.("off", reason);
  }
}
