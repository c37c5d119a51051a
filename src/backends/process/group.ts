/**
 * The processes of a machine: the one that was started, which leads a process group of its own, and all it started in
 * turn, be they in that group or only bearing its mark. The leader is our child, or one that an earlier daemon left
 * suspended and that was found again by its pidfile.
 *
 * @module
 */
import { BackendError } from "../backend.ts";
import { type ProcessStat, readStat } from "../../procfs.ts";
import type { Children } from "./children.ts";
import { libc } from "./libc.ts";
import { bearersOf, killBearersOf, markOf, setMark } from "./mark.ts";
import type { Spawned } from "./spawn.ts";
import { delay } from "../../wait.ts";

/** How often a process that is not our child is looked at, to see whether it still lives and what it does. */
const POLL_MS = 200;

/** How long a process may take to stop executing after SIGSTOP; one that waits for a disk stops when it has waited. */
const SUSPEND_TIMEOUT_MS = 5000;

/** A process, whatever becomes of its number afterwards. */
export interface ProcessIdentity {
  pid: number;
  /** See `ProcessStat.startTime`. */
  startTime: number;
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
  /** What all its processes bear; 0 where they bear none. */
  #mark: bigint;
  readonly #ended = Promise.withResolvers<string>();
  /** How the leader ended, in words; settles when the kernel has let go of it. */
  readonly ended = this.#ended.promise;
  /** Called when the leader may have been stopped or continued, by whosever signal. */
  onMove?: () => void;
  #release = () => {};

  private constructor({ pid, startTime }: ProcessIdentity, mark: bigint) {
    this.pid = pid;
    this.startTime = startTime;
    this.#mark = mark;
  }

  get mark(): bigint {
    return this.#mark;
  }

  /** The group of a child that was just spawned, bearing the mark. */
  static ofChild(
    { pid, startTime, child }: Spawned,
    mark: bigint,
    children: Children,
  ): ProcessGroup {
    const group = new ProcessGroup({ pid, startTime }, mark);
    children.watch(pid, {
      ours: child === undefined,
      onEnd: group.#ended.resolve,
      onMove: () => group.onMove?.(),
    });
    group.#release = () => {
      children.forget(pid);
      child?.unref();
    };
    child?.status.then(({ code, signal }) => {
      children.forget(pid);
      group.#ended.resolve(
        signal === null ? `exited with code ${code}` : `killed by ${signal}`,
      );
    });
    return group;
  }

  /** The group of a process that is not our child, if it still lives. */
  static adopt(identity: ProcessIdentity): ProcessGroup | undefined {
    if (statOf(identity) === undefined) return undefined;
    const mark = markOf(identity.pid) ?? 0n;
    const group = new ProcessGroup(identity, mark);
    let state = group.state();
    const timer = setInterval(() => {
      const last = state;
      state = group.state();
      if (state === last) return;
      if (state !== "off") return group.onMove?.();
      clearInterval(timer);
      group.#ended.resolve("ended");
    }, POLL_MS);
    group.#release = () => clearInterval(timer);
    return group;
  }

  /** Has all its processes bear another mark. */
  async claim(mark: bigint): Promise<void> {
    const before = this.#mark;
    this.#mark = mark;
    setMark(this.pid, mark);
    let marked;
    do { // until none has started another meanwhile
      const others = before === 0n ? [] : await bearersOf(before);
      marked = others.filter((pid) => setMark(pid, mark));
    } while (marked.length > 0);
  }

  /** Stops looking at it: it lives on without us, and {@linkcode ended} may never settle. */
  release(): void {
    this.#release();
  }

  /** What its leader does now. */
  state(): "running" | "paused" | "off" {
    const stat = statOf(this);
    if (stat === undefined) return "off";
    return stat.state === "T" ? "paused" : "running";
  }

  /** Sends signals to all its processes while its leader is there. Rejects with {@linkcode BackendError} when that is not allowed. */
  async signal(...signals: Deno.Signal[]): Promise<void> {
    if (!this.#isOurs()) return;
    for (const signal of signals) send(-this.pid, signal);
    for (const pid of await this.#bearers()) {
      if (libc().getpgid(pid) === this.pid) continue;
      for (const signal of signals) send(pid, signal);
    }
  }

  /** Stops all its processes with SIGSTOP. Rejects with {@linkcode BackendError}, and they go on. */
  async suspend(): Promise<void> {
    // The leader first: were the group stopped at once, a leader amid vfork(2) would wait for its stopped child.
    this.#signalLeader("SIGSTOP");
    const end = Date.now() + SUSPEND_TIMEOUT_MS;
    while (this.state() === "running" && Date.now() < end) await delay(1);
    switch (this.state()) {
      case "off":
        throw new BackendError("it ended before it was suspended");
      case "running":
        this.#signalLeader("SIGCONT");
        throw new BackendError(
          `it still executes ${
            SUSPEND_TIMEOUT_MS / 1000
          } s after SIGSTOP, it may be waiting for a disk`,
        );
    }
    await this.signal("SIGSTOP");
  }

  /** Sends a signal to the leader only. Throws {@linkcode BackendError} when that is not allowed. */
  #signalLeader(signal: Deno.Signal): void {
    if (this.#isOurs()) send(this.pid, signal);
  }

  async #bearers(): Promise<number[]> {
    return this.#mark === 0n ? [] : await bearersOf(this.#mark);
  }

  /** While the leader has an entry, be it a zombie's, its number can be no other process's or group's. */
  #isOurs(): boolean {
    return readStat(this.pid)?.startTime === this.startTime;
  }

  /**
   * Kills what the leader left behind, once it has {@linkcode ended}, and resolves when that is gone. Linux gives a
   * group's number to nobody else while one process is left in it, so that right after the end the group is ours or
   * empty. Rejects with {@linkcode BackendError} when that is not allowed.
   */
  async killRest(): Promise<void> {
    send(-this.pid, "SIGKILL");
    if (this.#mark !== 0n) await killBearersOf(this.#mark);
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
