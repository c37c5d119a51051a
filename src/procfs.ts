/**
 * What the kernel says of a process, in the files of /proc/PID: proc(5).
 *
 * @module
 */

/** Fields of /proc/PID/stat (proc_pid_stat(5)). */
export interface ProcessStat {
  /** One letter: R running, S sleeping, D waiting for a disk, T stopped by a signal, Z dead but not waited for, ... */
  state: string;
  /** The process that started it, or the one that took it over. */
  ppid: number;
  /** The process group. */
  pgrp: number;
  /** Clock ticks that it has executed for, in user and in kernel mode. */
  cpuTime: number;
  /** Clock ticks between boot and the process's start; with the pid it names a process for good, until reboot. */
  startTime: number;
}

/** Reads /proc/PID/stat, which never touches a disk; undefined when there is no such process. */
export function readStat(pid: number): ProcessStat | undefined {
  const text = readProcessFile(pid, "stat");
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0],
    ppid: Number(fields[1]),
    pgrp: Number(fields[2]),
    cpuTime: Number(fields[11]) + Number(fields[12]),
    startTime: Number(fields[19]),
  };
}

/** Reads /proc/PID/`name`; undefined when there is no such process, and when it goes away meanwhile. */
export function readProcessFile(pid: number, name: string): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || isNoSuchProcess(error)) {
      return undefined;
    }
    throw error;
  }
}

/** ESRCH (3): the file was opened, then the process went away. Deno has neither a class nor a code for it here. */
function isNoSuchProcess(error: unknown): boolean {
  return error instanceof Error && error.message.includes("(os error 3)");
}
