/**
 * A machine that is a process: started, suspended and stopped with signals to its process group.
 *
 * @module
 */
import { Limit } from "../../limit.ts";
import { log } from "../../log.ts";
import {
  BackendError,
  type Machine,
  type MachineConfig,
  type MachineState,
  type MarkPlace,
  type StartAction,
  type StateListener,
} from "../backend.ts";
import type { Children } from "./children.ts";
import { type Command, commandOf } from "./command.ts";
import type { ProcessKeys } from "./description.ts";
import { ProcessGroup } from "./group.ts";
import type { Marks } from "./mark.ts";
import { logOutput } from "./output.ts";
import {
  type Pidfile,
  readPidfile,
  removePidfile,
  writePidfile,
} from "./pidfile.ts";
import type { PipeReader } from "./pipes.ts";
import { spawn } from "./spawn.ts";
import { isWatched, type Watchdog } from "./watchdog.ts";
import { within } from "../../wait.ts";

/** When the daemon exits: how long a process may take to exit after SIGTERM, and to vanish after SIGKILL. */
const CLOSE_TERM_MS = 2000;
const CLOSE_KILL_MS = 1000;

/** In milliseconds. */
function gracePeriodOf(config: MachineConfig<ProcessKeys>): number | undefined {
  const { kill_timeout } = config.keys;
  return kill_timeout === undefined ? undefined : kill_timeout * 1000;
}

/** What runs now. */
interface Run {
  group: ProcessGroup;
  /** Whether another Jitsu, which lives, started it: it is that one's to see to that it does not outlive it. */
  shared: boolean;
  /** Settles when the process has ended, everything is cleaned up and the listener was told. */
  over: Promise<void>;
}

/** What all machines of one backend share. */
export interface ProcessHost {
  readonly marks: Marks;
  readonly watchdog: Watchdog;
  readonly children: Children;
  readonly pipes: PipeReader;
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
  /** Calls that change it are carried out one after another: two starts at once would be two processes. */
  readonly #turns = new Limit(1);
  /** Writes and removes the pidfile, in the order of what happens. */
  readonly #pidfileTurns = new Limit(1);
  /** The state that was told last while there is a run. */
  #told?: "running" | "paused";
  /** Whether we are stopping or continuing it ourselves. */
  #moving = false;
  #closed = false;

  private constructor(
    config: MachineConfig<ProcessKeys>,
    host: ProcessHost,
    readonly release: () => void,
  ) {
    this.id = this.name = config.name;
    this.#command = commandOf(config);
    this.#pidfile = config.keys.pidfile;
    this.gracePeriod = gracePeriodOf(config);
    this.#host = host;
  }

  /** Checks the configuration, and adopts the process that an earlier daemon left. */
  static async open(
    config: MachineConfig<ProcessKeys>,
    host: ProcessHost,
    release: () => void,
  ): Promise<ProcessMachine> {
    const machine = new ProcessMachine(config, host, release);
    await machine.#adopt();
    return machine;
  }

  /** Where there is a pidfile it has the mark. */
  get mark(): MarkPlace | undefined {
    return this.#pidfile === undefined ? undefined : this.#markPlace;
  }
  readonly #markPlace: MarkPlace = {
    read: () => this.#do("read the mark of", () => this.#readNote()?.mark),
    write: (mark) => this.#do("mark", () => this.#note(mark)),
  };

  /** What the pidfile says, if it is of the process that runs. */
  #readNote(): Pidfile | undefined {
    const group = this.#run?.group;
    const found = this.#pidfile && group && readPidfile(this.#pidfile);
    const isIts = found && found.pid === group.pid &&
      found.startTime === group.startTime;
    return isIts ? found : undefined;
  }

  /** Writes the pidfile, if there is to be one, for the process that runs. Rejects with {@linkcode BackendError}. */
  #note(mark?: string): Promise<void> {
    return this.#pidfileTurns.run(async () => {
      if (this.#pidfile === undefined) return;
      const group = this.#run?.group;
      if (group === undefined) throw new BackendError("it does not run");
      const { pid, startTime } = group;
      await writePidfile(this.#pidfile, { pid, startTime, mark });
    });
  }

  /** Whether there is no process. */
  get isOff(): boolean {
    return this.#run === undefined && !this.#starting;
  }

  /** Goes by another configuration from the next start on. Throws {@linkcode BackendError}, and all stays as it was. */
  reconfigure(config: MachineConfig<ProcessKeys>): void {
    const command = commandOf(config);
    const pidfile = config.keys.pidfile;
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
    const identity = readPidfile(this.#pidfile);
    if (identity === undefined) return;
    const group = ProcessGroup.adopt(identity);
    if (group === undefined) return;
    const run = this.#attend(
      group,
      group.state() === "paused" ? "paused" : "running",
    );
    run.shared = await isWatched(group.mark);
    if (!run.shared) await this.#claim(group);
    log("backend").info(
      `${this.name}: found process ${group.pid} again, ${group.state()}`,
    );
  }

  /** Has the process be one of ours, which does not outlive us unless it is suspended. */
  async #claim(group: ProcessGroup): Promise<void> {
    const { watchdog, marks } = this.#host;
    const mark = marks.next();
    await watchdog.leave(mark); // until it is known what it does
    await group.claim(mark);
    if (group.state() !== "running") return;
    await watchdog.open();
    await watchdog.track(mark);
  }

  state(): Promise<MachineState> {
    // To look at it takes a file descriptor, and may throw.
    return this.#do("read the state of", () => {
      if (this.#run === undefined) return "off";
      // An end shows once it is told, with its reason.
      return this.#run.group.state() === "paused" ? "paused" : "running";
    });
  }

  start(): Promise<StartAction> {
    return this.#turn("start", () => this.#start());
  }

  destroy(): Promise<void> {
    return this.#turn("destroy", () => this.#kill());
  }

  // A process that was suspended gets SIGTERM only once it continues.
  shutdown(): Promise<void> {
    return this.#turn(
      "shut down",
      async () => await this.#run?.group.signal("SIGTERM", "SIGCONT"),
    );
  }

  suspend(): Promise<"paused"> {
    return this.#turn("suspend", () => this.#suspend());
  }

  /** Changes it when no other call does. Rejects with BackendError. */
  #turn<T>(words: string, work: () => Promise<T>): Promise<T> {
    return this.#do(words, () =>
      this.#turns.run(() => {
        if (this.#closed) throw new BackendError("Jitsu is exiting");
        return work();
      }));
  }

  /** Whatever goes wrong is said with what was to be done, and to which machine. */
  async #do<T>(words: string, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new BackendError(
        `cannot ${words} ${this.name}: ${(error as Error).message}`,
      );
    }
  }

  async #start(): Promise<StartAction> {
    if (this.#run === undefined) await this.#adopt(); // another Jitsu may have started it meanwhile
    const run = this.#run;
    switch (run?.group.state()) {
      case "running":
        return "found running";
      case "paused":
        await this.#resume(run!);
        return "unpaused";
      case "off":
        await run!.over;
    }
    await this.#host.watchdog.open();
    this.#starting = true;
    try {
      if (this.#closed) throw new BackendError("Jitsu is exiting");
      const { group } = this.#attend(await this.#spawn(), "running");
      this.onStateChange?.("running", `started as process ${group.pid}`);
    } finally {
      this.#starting = false;
    }
    try {
      if (this.#closed) throw new BackendError("Jitsu is exiting");
      await this.#note();
    } catch (error) {
      await this.#kill();
      throw error;
    }
    return "started";
  }

  async #kill(): Promise<void> {
    const run = this.#run;
    await run?.group.signal("SIGKILL");
    await run?.over;
  }

  async #suspend(): Promise<"paused"> {
    const group = this.#run?.group;
    if (group === undefined) throw new BackendError("it does not run");
    if (group.state() === "paused") return "paused";
    this.#moving = true;
    try {
      await group.suspend();
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

  async #resume(run: Run): Promise<void> {
    const { group } = run;
    const { watchdog } = this.#host;
    await watchdog.open();
    if (run.shared && !await isWatched(group.mark)) {
      run.shared = false;
      await this.#claim(group);
    }
    await watchdog.track(group.mark);
    this.#moving = true;
    try {
      await group.signal("SIGCONT");
    } finally {
      this.#moving = false;
    }
    this.#tell("running", "continued with SIGCONT");
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

  async #leave({ group, over, shared }: Run): Promise<void> {
    if (shared && await isWatched(group.mark)) {
      group.release();
      log("backend").info(
        `${this.name}: left process ${group.pid} to the Jitsu that started it`,
      );
      return;
    }
    if (this.#pidfile !== undefined && group.state() === "paused") {
      await this.#host.watchdog.leave(group.mark);
      group.release();
      log("backend").info(`${this.name}: left process ${group.pid} suspended`);
      return;
    }
    const gone = over.then(() => true);
    await group.signal("SIGTERM", "SIGCONT");
    if (await within(CLOSE_TERM_MS, gone)) return;
    await group.signal("SIGKILL");
    if (await within(CLOSE_KILL_MS, gone)) return;
    group.release();
    log("backend").error(
      `${this.name}: process ${group.pid} is still there after SIGKILL`,
    );
  }

  /** Rejects with {@linkcode BackendError}. */
  async #spawn(): Promise<ProcessGroup> {
    const { marks, pipes, children } = this.#host;
    const mark = marks.next();
    // Output that we read would be lost for a process that outlives us.
    const reader = this.#pidfile === undefined ? pipes : undefined;
    const spawned = await spawn(this.#command, mark, reader);
    logOutput(this.name, spawned.output, this.#reading.signal);
    return ProcessGroup.ofChild(spawned, mark, children);
  }

  /** From here on there is a run. */
  #attend(group: ProcessGroup, state: "running" | "paused"): Run {
    this.#told = state;
    group.onMove = () => this.#onMove(group);
    const run = { group, shared: false, over: this.#whenOver(group) };
    return this.#run = run;
  }

  /** Somebody stopped or continued it, be it we. */
  #onMove(group: ProcessGroup): void {
    const state = group.state();
    if (state === "off" || this.#moving) return;
    if (state === "running") this.#host.watchdog.track(group.mark);
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

  async #whenOver(group: ProcessGroup): Promise<void> {
    const reason = await group.ended;
    try {
      await group.killRest();
      await this.#pidfileTurns.run(async () => {
        if (this.#pidfile !== undefined) {
          await removePidfile(this.#pidfile, group);
        }
      });
    } catch (error) {
      log("backend").warn(`${this.name}: ${(error as Error).message}`);
    }
    group.onMove = undefined;
    await this.#host.watchdog.track(group.mark);
    this.#run = undefined;
    this.onStateChange?.("off", reason);
  }
}
