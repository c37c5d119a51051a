/**
 * Ending the children of libxl that can never end themselves.
 *
 * libxl forks: to run hotplug scripts, and to destroy a domain, which its child does with hypercalls. In this process
 * other threads are inside Xen's libraries meanwhile, and the child inherits the mutexes there as they are at that
 * moment: libxencall's cache_mutex (tools/libs/call/buffer.c), libxentoolcore's handles_lock
 * (tools/libs/toolcore/handlereg.c). One that another thread holds will never be unlocked in the child, which then waits
 * for it for ever, and the call in this process for the child. A child that is killed is a failure to libxl like any
 * other.
 *
 * What tells them: such a child has one thread. When that waits for a lock, there is nobody who could unlock it.
 *
 * @module
 */
import { log } from "../../log.ts";
import { readProcessFile } from "../../procfs.ts";
import { childrenOf, kill } from "./children.ts";

/** Milliseconds between two looks. A child that is in the same wait at both is stuck. */
const INTERVAL = 500;

/** The number of futex(2), by `Deno.build.arch`. */
const FUTEX = { x86_64: "202", aarch64: "98" }[Deno.build.arch];

/** Calls that are under way. */
let calls = 0;
let timer: ReturnType<typeof setInterval> | undefined;
/** What the children that wait for a lock were in at the last look: /proc/PID/syscall, by process id. */
let suspects = new Map<number, string>();
let ended = 0;

/** How many children have been ended so far. */
export function endedChildren(): number {
  return ended;
}

/** The result of a call that may fork, which ends even if its child gets stuck. */
export async function endingStuckChildren<T>(call: Promise<T>): Promise<T> {
  calls++;
  timer ??= setInterval(look, INTERVAL);
  try {
    return await call;
  } finally {
    if (--calls === 0) {
      clearInterval(timer);
      timer = undefined;
      suspects.clear();
    }
  }
}

function look(): void {
  const seen = new Map<number, string>();
  for (const pid of ownChildren()) {
    const wait = readProcessFile(pid, "syscall");
    if (wait?.split(" ")[0] !== FUTEX) continue;
    if (suspects.get(pid) !== wait) {
      seen.set(pid, wait);
      continue;
    }
    log("backend").debug(
      `libxl's child ${pid} waits for a lock that nobody holds, killing it`,
    );
    ended++;
    kill(pid);
  }
  suspects = seen;
}

/** The children of this process that still execute the same program (proc_pid_exe(5)). */
function ownChildren(): number[] {
  const own = Deno.readLinkSync("/proc/self/exe");
  return childrenOf(Deno.pid).filter((pid) => executable(pid) === own);
}

function executable(pid: number): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined; // it is over
  }
}
