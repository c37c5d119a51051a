/**
 * What the kernel says of a process: proc_pid_stat(5).
 *
 * @module
 */

/** Fields of /proc/PID/stat. */
export interface ProcessStat {
  /** One letter: R running, S sleeping, D waiting for a disk, T stopped by a signal, Z dead but not waited for, ... */
  state: string;
  /** The process group. */
  pgrp: number;
  /** Clock ticks between boot and the process's start; with the pid it names a process for good, until reboot. */
  startTime: number;
}

/** Reads /proc/PID/stat, which never touches a disk; undefined when there is no such process. */
export function readStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch (error) {
    // ESRCH: it went away between open and read.
    if (
      error instanceof Deno.errors.NotFound ||
      (error as { code?: string }).code === "ESRCH"
    ) return undefined;
    throw error;
  }
  // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0],
    pgrp: Number(fields[2]),
    startTime: Number(fields[19]),
  };
}
