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
import type { Children } from "./children.ts";
import { type Command, commandOf } from "./command.ts";
import { ProcessGroup } from "./group.ts";
import type { Marks } from "./mark.ts";
import { forEachLine, LineLimit } from "./output.ts";
import { readPidfile, removePidfile, writePidfile } from "./pidfile.ts";
import type { PipeReader } from "./pipes.ts";
import type { Spawner } from "./spawn.ts";
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

/** What all machines of one backend share. */
export interface ProcessHost {
  readonly marks: Marks;
  readonly watchdog: Watchdog;
  readonly spawner: Spawner;
  readonly children: Children;
  readonly pipes: PipeReader;
}

/** Suspends all processes of a machine. Rejects with {@linkcode BackendError}, and they go on. */
async function stop(group: ProcessGroup): Promise<void> {
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
  await group.signal("SIGSTOP");
}

/** See the module's comment. */
export class ProcessMachine implements Machine {
  readonly id: string;
  readonly name: string;
  gracePeriod?: number;
  onStateChange?: StateListener;
  #command: Command;
  #pidfile?: string;
  readonly #host: ProcessHost;
  /** Ends the reading of output that something which left the process group keeps open. */
  readonly #reading = new AbortController();
  #run?: Run;
  /** Whether a process is being started that there is no run of yet. */
  #starting = false;
  /** The state that was told last while there is a run. */
  #told?: "running" | "paused";
  /** Whether we are stopping or continuing it ourselves. */
  #moving = false;
  #closed = false;

  private constructor(
    config: MachineConfig,
    host: ProcessHost,
    readonly release: () => void,
  ) {
    this.id = this.name = config.name;
    this.#command = commandOf(config);
    this.#pidfile = pidfileOf(config);
    this.gracePeriod = gracePeriodOf(config);
    this.#host = host;
  }

  /** Checks the configuration, and adopts the process that an earlier daemon left. */
  static async open(
    config: MachineConfig,
    host: ProcessHost,
    release: () => void,
  ): Promise<ProcessMachine> {
    const machine = new ProcessMachine(config, host, release);
    await machine.#adopt();
    return machine;
  }

  /** Whether there is no process. */
  get isOff(): boolean {
    return this.#run === undefined && !this.#starting;
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
    if (identity === undefined) return;
    const { watchdog, marks } = this.#host;
    const mark = marks.next();
    await watchdog.leave(mark); // until it is known what it does
    const group = await ProcessGroup.adopt(identity, mark);
    if (group === undefined) return;
    if (group.state() === "running") {
      await watchdog.open();
      await watchdog.track(mark);
    }
    this.#attend(group, group.state() === "paused" ? "paused" : "running");
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
        await this.#resume(run!.group);
        return "unpaused";
      case "off":
        await run!.over;
    }
    await this.#host.watchdog.open();
    this.#starting = true;
    try {
      if (this.#closed) throw new BackendError("Jitsu is exiting");
      const group = await this.#spawn();
      this.#attend(group, "running");
      this.onStateChange?.("running", `started as process ${group.pid}`);
    } finally {
      this.#starting = false;
    }
    const { group } = this.#run!;
    if (this.#closed) {
      await this.destroy();
      throw new BackendError("Jitsu is exiting");
    }
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
    const run = this.#run;
    await run?.group.signal("SIGKILL");
    await run?.over;
  }

  // A process that was suspended gets SIGTERM only once it continues.
  async shutdown(): Promise<void> {
    await this.#run?.group.signal("SIGTERM", "SIGCONT");
  }

  async suspend(): Promise<"paused"> {
    const group = this.#run?.group;
    if (group === undefined) throw new BackendError("it does not run");
    if (group.state() === "paused") return "paused";
    this.#moving = true;
    try {
      await stop(group);
    } finally {
      this.#moving = false;
    }
    this.#tell("paused", "stopped with SIGSTOP");
    // Only with a pidfile would anybody find it again.
    if (this.#pidfile !== undefined) {
      await this.#host.watchdog.leave(group.mark);
    }
    return "paused";
  }

  async #resume(group: ProcessGroup): Promise<void> {
    const { watchdog } = this.#host;
    await watchdog.open();
    await watchdog.track(group.mark);
    this.#moving = true;
    try {
      await group.signal("SIGCONT");
    } finally {
      this.#moving = false;
    }
    this.#tell("running", "continued with SIGCONT");
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
      await this.#host.watchdog.leave(group.mark);
      group.release();
      log("backend").info(`${this.name}: left process ${group.pid} suspended`);
      return;
    }
    await group.signal("SIGTERM", "SIGCONT");
    if (await settlesWithin(over, CLOSE_TERM_MS)) return;
    await group.signal("SIGKILL");
    if (await settlesWithin(over, CLOSE_KILL_MS)) return;
    group.release();
    log("backend").error(
      `${this.name}: process ${group.pid} is still there after SIGKILL`,
    );
  }

  /** Rejects with {@linkcode BackendError}. */
  async #spawn(): Promise<ProcessGroup> {
    const { marks, spawner, pipes, children } = this.#host;
    const mark = marks.next();
    // Output that we read would be lost for a process that outlives us.
    const reader = this.#pidfile === undefined ? pipes : undefined;
    const spawned = await spawner.run(this.#command, mark, reader);
    this.#log(spawned.output);
    return ProcessGroup.ofChild(spawned, mark, children);
  }

  /** From here on there is a run. */
  #attend(group: ProcessGroup, state: "running" | "paused"): void {
    this.#told = state;
    group.onMove = () => this.#onMove(group);
    this.#run = { group, over: this.#whenOver(group) };
  }

  /** Somebody stopped or continued it, be it we. */
  #onMove(group: ProcessGroup): void {
    const state = group.state();
    if (state === "off" || this.#moving) return;
    this.#tell(
      state,
      state === "paused" ? "stopped by a signal" : "continued by a signal",
    );
  }

  #tell(state: "running" | "paused", reason: string): void {
    if (state === this.#told) return;
    this.#told = state;
    this.onStateChange?.(state, reason);
  }

  #log(output: readonly ReadableStream<Uint8Array<ArrayBuffer>>[]): void {
    const limit = new LineLimit(
      (line) =>
        log("machine").info(`${this.name}: ${line}`, { machine: this.name }),
      (message) => log("machine").warn(`${this.name}: ${message}`),
    );
    Promise.all(output.map((stream) => this.#logLines(stream, limit)))
      .then(() => limit.end());
  }

  async #logLines(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    limit: LineLimit,
  ): Promise<void> {
    const { signal } = this.#reading;
    try {
      await forEachLine(stream, (line) => limit.take(line), signal);
    } catch (error) {
      if (signal.aborted) return;
      log("backend").warn(
        `${this.name}: reading its output: ${(error as Error).message}`,
      );
    }
  }

  async #whenOver(group: ProcessGroup): Promise<void> {
    const reason = await group.ended;
    try {
      await group.killRest();
      if (this.#pidfile !== undefined) await removePidfile(this.#pidfile);
    } catch (error) {
      log("backend").warn(`${this.name}: ${(error as Error).message}`);
    }
    group.onMove = undefined;
    await this.#host.watchdog.track(group.mark);
    this.#run = undefined;
    this.onStateChange?.("off", reason);
  }
}
