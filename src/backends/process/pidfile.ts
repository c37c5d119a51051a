/**
 * The pidfile: how a process that outlives the daemon is found again. Five lines: its pid, its start time (clock ticks
 * since boot) and the id of the boot, which together name no other process ever; the file's own path, by which a link to
 * another machine's pidfile is told from it; and the mark that a Jitsu left on the machine (`MarkPlace`), if any.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { checkForOthers, FileError, readTrusted } from "../../files.ts";
import { BackendError } from "../backend.ts";
import type { ProcessIdentity } from "./group.ts";

const bootId = () =>
  Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();

function failure(path: string, error: unknown, remedy: string): BackendError {
  return new BackendError(
    `pidfile=${path}: ${(error as Error).message}: ${remedy}`,
  );
}

/** What a pidfile says. */
export interface Pidfile extends ProcessIdentity {
  mark?: string;
}

/** Writes the pidfile in one step, readable by its owner only. Rejects with {@linkcode BackendError}. */
export async function writePidfile(
  path: string,
  { pid, startTime, mark = "" }: Pidfile,
): Promise<void> {
  try {
    const temporary = await Deno.makeTempFile({
      dir: dirname(path),
      prefix: ".jitsu-",
    });
    try {
      const lines = [pid, startTime, bootId(), resolve(path), mark];
      await Deno.writeTextFile(temporary, lines.join("\n") + "\n");
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
 * What a pidfile says, whose process may be gone; undefined when there is no such file or it is from before a reboot.
 * Throws {@linkcode BackendError} when it can't be read or trusted: whoever can write it, or put another in its place,
 * could have us signal any process.
 */
export function readPidfile(path: string): Pidfile | undefined {
  let text: string;
  try {
    checkForOthers(path);
    text = readTrusted(path).text;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    if (error.code === "ENOENT") return undefined;
    throw failure(path, error, "remove it, or name another file");
  }
  // The earliest releases wrote three lines.
  const [pid, startTime, boot, own, mark] = text.split("\n");
  if (boot !== bootId()) return undefined;
  if (own && own !== resolve(path)) {
    throw failure(
      path,
      new Error(`it is a link to ${own} or a copy of it`),
      "remove it, or name another file",
    );
  }
  return {
    pid: Number(pid),
    startTime: Number(startTime),
    mark: mark || undefined,
  };
}

/** Removes the pidfile as long as it names the process. Rejects with {@linkcode BackendError}. */
export async function removePidfile(
  path: string,
  { pid, startTime }: ProcessIdentity,
): Promise<void> {
  try {
    const found = readPidfile(path);
    if (found?.pid !== pid || found.startTime !== startTime) return;
    await Deno.remove(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof BackendError) throw error;
    throw failure(path, error, "make its directory writable for Jitsu");
  }
}
