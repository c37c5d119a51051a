/**
 * What this process has open, for tests of what is left behind.
 *
 * @module
 */

/** How many file descriptors are open (proc_pid_fd(5)). */
export function openFiles(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}
