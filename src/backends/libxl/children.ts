/**
 * The child processes that libxl has in this one.
 *
 * @module
 */
import { readProcessFile } from "../../procfs.ts";

/** The children of a process (proc_pid_children(5)), none where it is over. */
export function childrenOf(pid: number): number[] {
  let threads: Deno.DirEntry[];
  try {
    threads = [...Deno.readDirSync(`/proc/${pid}/task`)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return threads.flatMap(({ name }) =>
    (readProcessFile(pid, `task/${name}/children`) ?? "").split(" ")
      .filter((child) => child !== "").map(Number)
  );
}

/** Ends a process at once; one that is over is fine: libxl has time limits of its own. */
export function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
