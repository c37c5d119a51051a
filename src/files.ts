/**
 * Reading files that decide what runs on this host: who could write one could have Jitsu run anything, as whoever Jitsu
 * runs as.
 *
 * A path may lead to something else from one moment to the next, so nothing is concluded from the path: the file is
 * opened without waiting (open(2): O_NONBLOCK, since the open of a FIFO would wait for a writer), what was opened is
 * looked at, and that is read.
 *
 * @module
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
} from "node:fs";
import { dirname } from "node:path";

/** A file cannot be read, or should not be. The message is one line without the path: why, and what can be done. */
export class FileError extends Error {
  override name = "FileError";

  /** @param code as errno(3) has it, e.g. `"ENOENT"`; undefined where others could have written the file */
  constructor(message: string, readonly code?: string) {
    super(message);
  }
}

/** How a file is read. */
export interface TrustedRead {
  /** Whether the path may be a symbolic link, which only we or root may have made. Default: false. */
  followLink?: boolean;
}

/** What was read, and who else may read it. */
export interface TrustedFile {
  text: string;
  /** Permissions, e.g. `0o640`. */
  mode: number;
}

/** What there is to know of a file or of a path's last part: fields of stat(2). */
interface Stats {
  uid: number;
  mode: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

/**
 * Reads a file that only root and the user that we are can write.
 *
 * @throws {FileError} where there is none, where it is no regular file, or where others could have written it
 */
export function readTrusted(
  path: string,
  { followLink = false }: TrustedRead = {},
): TrustedFile {
  const fd = openTrusted(path, followLink);
  try {
    const stats = fstatSync(fd);
    checkTrusted(stats, path);
    return { text: readFileSync(fd, "utf8"), mode: stats.mode & 0o7777 };
  } finally {
    closeSync(fd);
  }
}

/**
 * Looks at a file that another program will open: like {@linkcode readTrusted}, without a link, and its directory must
 * be one in which nobody else can put another file in its place. A file that is not there is as it should be.
 *
 * @throws {FileError}
 */
export function checkForOthers(path: string): void {
  checkDirectory(dirname(path));
  let fd: number;
  try {
    fd = openTrusted(path, false);
  } catch (error) {
    if (error instanceof FileError && error.code === "ENOENT") return;
    throw error;
  }
  try {
    checkTrusted(fstatSync(fd), path);
  } finally {
    closeSync(fd);
  }
}

function openTrusted(path: string, followLink: boolean): number {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  const flags = O_RDONLY | O_NONBLOCK;
  try {
    return openSync(path, flags | O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) !== "ELOOP") throw failure(error);
    if (!followLink) {
      throw new FileError(
        "it is a symbolic link, which could be made to lead anywhere: name the file itself",
      );
    }
  }
  try {
    const link = lstatSync(path);
    if (!isOurs(link)) {
      throw new FileError(
        `user ${link.uid} made this symbolic link: name the file itself, or make the link yourself`,
      );
    }
    return openSync(path, flags);
  } catch (error) {
    throw error instanceof FileError ? error : failure(error);
  }
}

function checkTrusted(stats: Stats, path: string): void {
  if (stats.isDirectory()) throw new FileError("it is a directory", "EISDIR");
  if (!stats.isFile()) {
    throw new FileError("it is not a regular file: name one that is");
  }
  if (!isOurs(stats)) {
    throw new FileError(
      `it belongs to user ${stats.uid}, who could have written anything into it: chown it to the user that Jitsu runs as, or to root`,
    );
  }
  if ((stats.mode & 0o022) !== 0) {
    throw new FileError(
      `others may write it (mode ${
        (stats.mode & 0o777).toString(8)
      }): chmod go-w ${path}`,
    );
  }
}

/** The sticky bit keeps others from replacing what is not theirs: inode(7). */
const STICKY = 0o1000;

function checkDirectory(path: string): void {
  let stats: Stats;
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      stats = fstatSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw failure(error);
  }
  const isShared = (stats.mode & 0o022) !== 0 && (stats.mode & STICKY) === 0;
  if (isOurs(stats) && !isShared) return;
  throw new FileError(
    `others may replace it, since its directory ${
      isShared ? "can be written by them" : `belongs to user ${stats.uid}`
    }: choose another directory, or chown and chmod go-w ${path}`,
  );
}

function isOurs({ uid }: { uid: number }): boolean {
  return uid === 0 || uid === Deno.uid();
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}

/** Without the code before the words, and the call and the path after them: `ENOENT: no such file, open '/x'`. */
function failure(error: unknown): FileError {
  const words = (error as Error).message
    .replace(/^E[A-Z]+: /, "").replace(/, (?:open|stat|lstat)\b.*$/s, "");
  return new FileError(words, codeOf(error));
}
