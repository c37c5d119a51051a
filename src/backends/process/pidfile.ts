/**
 * The pidfile: how a process that outlives the daemon is found again. Three lines: its pid, its start time (clock ticks
 * since boot) and the id of the boot, which together name no other process ever.
 *
 * @module
 */
import { dirname } from "node:path";
import { BackendError } from "../backend.ts";
import type { ProcessIdentity } from "./group.ts";

const bootId = () =>
  Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();

function failure(path: string, error: unknown, remedy: string): BackendError {
  return new BackendError(
    `pidfile=${path}: ${(error as Error).message}: ${remedy}`,
  );
}

/** Writes the pidfile in one step, readable by its owner only. Rejects with {@linkcode BackendError}. */
export async function writePidfile(
  path: string,
  { pid, startTime }: ProcessIdentity,
): Promise<void> {
  try {
    const temporary = await Deno.makeTempFile({
      dir: dirname(path),
      prefix: ".jitsu-",
    });
    try {
      await Deno.writeTextFile(
        temporary,
        `${pid}\n${startTime}\n${bootId()}\n`,
      );
      await Deno.rename(temporary, path);
    } catch (error) {
      await Deno.remove(temporary);
      throw error;
    }
  } catch (error) {
    throw failure(path, error, "make its directory writable for Jitsu");
  }
}

/**
 * The process that a pidfile names, which may be gone; undefined when there is no such file or it is from before a
 * reboot. Rejects with {@linkcode BackendError} when it can't be read or trusted: whoever can write it could have us
 * signal any process.
 */
export async function readPidfile(
  path: string,
): Promise<ProcessIdentity | undefined> {
  let text: string;
  try {
    using file = await Deno.open(path);
    const { uid, mode } = await file.stat();
    if (uid !== Deno.uid() || (mode! & 0o022) !== 0) {
      throw new Error("others may write it");
    }
    text = await new Response(file.readable).text();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw failure(path, error, "remove it, or name another file");
  }
  const [pid, startTime, boot] = text.split("\n");
  if (boot !== bootId()) return undefined;
  return { pid: Number(pid), startTime: Number(startTime) };
}

/** Removes the pidfile; one that is gone already is fine. Rejects with {@linkcode BackendError}. */
export async function removePidfile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw failure(path, error, "make its directory writable for Jitsu");
  }
}
