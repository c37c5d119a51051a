/**
 * A process group: a process that was started as the leader of its own group, and all it started in turn. It is our
 * child, or one that an earlier daemon left suspended and that was found again by its pidfile.
 *
 * @module
 */
import { BackendError } from "../backend.ts";
import { type ProcessStat, readStat } from "../../procfs.ts";

/** How often a process that is not our child is looked at, to see whether it still lives. */
const POLL_MS = 200;

/** A process, whatever becomes of its number afterwards. */
export interface ProcessIdentity {
  pid: number;
  /** See `ProcessStat.startTime`. */
  startTime: number;
}

function describeEnd({ code, signal }: Deno.CommandStatus): string {
  return signal === null ? `exited with code ${code}` : `killed by ${signal}`;
}

/** What the kernel says of the process, if it is there and leads its group; a zombie is not there. */
function statOf({ pid, startTime }: ProcessIdentity): ProcessStat | undefined {
  const stat = readStat(pid);
  const lives = stat?.startTime === startTime && stat.pgrp === pid &&
    stat.state !== "Z" && stat.state !== "X";
  return lives ? stat : undefined;
}

/** See the module's comment. */
export class ProcessGroup implements ProcessIdentity {
  readonly pid: number;
  readonly startTime: number;

  private constructor(
    { pid, startTime }: ProcessIdentity,
    /** How the leader ended, in words; settles when the kernel has let go of it. */
    readonly ended: Promise<string>,
    /** Stops looking at it: it lives on without us, and {@linkcode ended} may never settle. */
    readonly release: () => void,
  ) {
    this.pid = pid;
    this.startTime = startTime;
  }

  /** The group of a child that was just spawned with `detached`. */
  static ofChild(child: Deno.ChildProcess): ProcessGroup {
    // A child that has exited already is a zombie until its status is asked for: it still has an entry.
    const { startTime } = readStat(child.pid)!;
    return new ProcessGroup(
      { pid: child.pid, startTime },
      child.status.then(describeEnd),
      () => child.unref(),
    );
  }

  /** The group of a process that is not our child, if it still lives. */
  static adopt(identity: ProcessIdentity): ProcessGroup | undefined {
    if (statOf(identity) === undefined) return undefined;
    const ended = Promise.withResolvers<string>();
    const timer = setInterval(() => {
      if (statOf(identity) !== undefined) return;
      clearInterval(timer);
      ended.resolve("ended");
    }, POLL_MS);
    return new ProcessGroup(
      identity,
      ended.promise,
      () => clearInterval(timer),
    );
  }

  /** What its leader does now. */
  state(): "running" | "paused" | "off" {
    const stat = statOf(this);
    if (stat === undefined) return "off";
    return stat.state === "T" ? "paused" : "running";
  }

  /** Sends signals to every process of the group. Throws {@linkcode BackendError} when that is not allowed. */
  signal(...signals: Deno.Signal[]): void {
    if (this.#isOurs()) {
      for (const signal of signals) {
        send(-this.pid, signal);
      }
    }
  }

  /** Sends a signal to the leader only. Throws {@linkcode BackendError} when that is not allowed. */
  signalLeader(signal: Deno.Signal): void {
    if (this.#isOurs()) send(this.pid, signal);
  }

  /** While the leader has an entry, be it a zombie's, its number can be no other process's or group's. */
  #isOurs(): boolean {
    return readStat(this.pid)?.startTime === this.startTime;
  }

  /**
   * Kills what the leader left behind in its group, once it has {@linkcode ended}. Linux gives a group's number to
   * nobody else while one process is left in it, so that right after the end the group is ours or empty.
   */
  killRest(): void {
    send(-this.pid, "SIGKILL");
  }
}

/** kill(2): to a process, or to a process group where `target` is negative. */
function send(target: number, signal: Deno.Signal): void {
  try {
    Deno.kill(target, signal);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new BackendError(
      `${signal} to process ${Math.abs(target)}: ${
        (error as Error).message
      }: run Jitsu as root or as the user that the process runs as`,
    );
  }
}
