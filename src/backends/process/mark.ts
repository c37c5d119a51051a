/**
 * The mark by which all processes of a machine are known, whatever they do: a number in their soft limit RLIMIT_RSS.
 *
 * The kernel gives a child its parent's limits within the very call that makes it (fork(2), clone(2)), so there is no
 * moment at which a child is without its mark, and leaving the process group (setsid(2)), the parent (a second fork) or
 * the environment changes nothing. The limit itself has had no effect since Linux 2.4.30 (getrlimit(2)); everybody may
 * set it, and it can be read of every process that we may signal. A cgroup would do as well, but has to be delegated by
 * whoever runs the system; PR_SET_CHILD_SUBREAPER would take a process beside ours, which is another 50 MB in a program
 * like this one. Who sets RLIMIT_RSS itself (`ulimit -m`) gets away, unless it is in the machine's process group.
 *
 * A mark is a number of 19 digits: 4, eleven that this daemon has drawn, seven that count its starts.
 *
 * @module
 */
import { Limit } from "../../limit.ts";
import { BackendError } from "../backend.ts";
import { libc } from "./libc.ts";
import { readStat } from "../../procfs.ts";
import { delay } from "../../wait.ts";

/** `<bits/resource.h>` */
const RLIMIT_RSS = 5;

const RUN_DIGITS = 11, COUNT_DIGITS = 7;
const FIRST = 4n * 10n ** 18n, LAST = 5n * 10n ** 18n - 1n;

/** How long processes that were killed may take to go, in milliseconds; one that waits for a disk goes later. */
const KILLED_TIMEOUT_MS = 1000;

/** Soft and hard limit (struct rlimit) of a process, 0 for our own; undefined where there is none, or not for us. */
function limitOf(pid: number): BigUint64Array<ArrayBuffer> | undefined {
  const limit = new BigUint64Array(2);
  const failed = libc().prlimit(
    pid,
    RLIMIT_RSS,
    null,
    new Uint8Array(limit.buffer),
  );
  return failed ? undefined : limit;
}

/** Sets the soft limit, and tells whether that could be done. */
function setLimit(pid: number, soft: bigint): boolean {
  const limit = limitOf(pid);
  if (limit === undefined) return false;
  limit[0] = soft;
  return libc().prlimit(pid, RLIMIT_RSS, new Uint8Array(limit.buffer), null) ===
    0;
}

/** The mark that a process has, be it ours or an earlier daemon's. */
export function markOf(pid: number): bigint | undefined {
  const soft = limitOf(pid)?.[0];
  return soft !== undefined && soft >= FIRST && soft <= LAST ? soft : undefined;
}

/** Has a process, and what it will start, bear the mark; false where it is gone or not ours to mark. */
export function setMark(pid: number, mark: bigint): boolean {
  return setLimit(pid, mark);
}

/** By their marks, all processes that have one. */
type Census = Map<bigint, number[]>;

async function takeCensus(): Promise<Census> {
  const census: Census = new Map();
  // Reading the directory is the pool's work, asking for a limit takes a microsecond.
  for await (const { name } of Deno.readDir("/proc")) {
    const pid = Number(name);
    const mark = pid > 0 && pid !== Deno.pid ? markOf(pid) : undefined;
    if (mark === undefined) continue;
    const pids = census.get(mark);
    if (pids) pids.push(pid);
    else census.set(mark, [pid]);
  }
  return census;
}

let running: Promise<unknown> = Promise.resolve();
let waiting: Promise<Census> | undefined;
/** A census that begins after the call: many machines that stop at once share one. */
function nextCensus(): Promise<Census> {
  if (waiting !== undefined) return waiting;
  const begin = () => {
    waiting = undefined;
    return takeCensus();
  };
  waiting = running.then(begin, begin);
  running = waiting;
  return waiting;
}

/** All that bear the mark and live; zombies do not. */
export async function bearersOf(mark: bigint): Promise<number[]> {
  return (await nextCensus()).get(mark)?.filter(lives) ?? [];
}

function lives(pid: number): boolean {
  const state = readStat(pid)?.state;
  return state !== undefined && state !== "Z" && state !== "X";
}

/**
 * Kills all that bear the mark, also what they start meanwhile, and resolves when they are gone or a second has passed.
 * Processes that run as another user are beyond us unless we are root.
 */
export async function killBearersOf(mark: bigint): Promise<void> {
  const end = Date.now() + KILLED_TIMEOUT_MS;
  for (;;) {
    const pids = await bearersOf(mark);
    if (pids.length === 0 || Date.now() > end) return;
    for (const pid of pids) {
      try {
        if (limitOf(pid)?.[0] === mark) Deno.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    await delay(2);
  }
}

/** Makes the marks of one daemon. */
export class Marks {
  /** What all marks of this daemon begin with. */
  readonly prefix: string;
  #count = 0;

  constructor() {
    const random = crypto.getRandomValues(new BigUint64Array(1))[0];
    const digits = random % 10n ** BigInt(RUN_DIGITS);
    this.prefix = `4${String(digits).padStart(RUN_DIGITS, "0")}`;
  }

  /** A mark that no other start of this daemon has. */
  next(): bigint {
    const count = this.#count++ % 10 ** COUNT_DIGITS;
    return BigInt(this.prefix + String(count).padStart(COUNT_DIGITS, "0"));
  }
}

/** In place of a mark: none. It is RLIM_INFINITY, what the limit is where nobody has set it. */
export const UNMARKED = 2n ** 64n - 1n;

const turns = new Limit(1);

/**
 * Has this process bear the mark while `call` runs, and with it all that is started meanwhile: one call after the other,
 * since a limit is the whole process's. Rejects with {@linkcode BackendError} where it may not.
 */
export function bearing<T>(
  mark: bigint,
  call: () => T | Promise<T>,
): Promise<T> {
  return turns.run(async () => {
    const before = limitOf(0)![0];
    if (!setLimit(0, mark)) {
      throw new BackendError(
        "processes cannot be marked, since the hard limit RLIMIT_RSS is too low: lift it (LimitRSS=infinity in a systemd unit, or ulimit -Hm unlimited)",
      );
    }
    try {
      return await call();
    } finally {
      setLimit(0, before);
    }
  });
}

/** Resolves when this process bears no mark of a machine. */
export function bearingNone(): Promise<void> {
  return turns.idle();
}
