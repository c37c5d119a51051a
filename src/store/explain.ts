/**
 * What is wrong with a database file, in words for the person who can do something about it.
 *
 * @module
 */
import { StoreError } from "./store.ts";

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html) that a disk or a file can be the reason of. */
const BUSY = 5,
  READONLY = 8,
  IOERR = 10,
  CORRUPT = 11,
  FULL = 13,
  CANTOPEN = 14,
  NOTADB = 26;

/**
 * The codes that belong to messages. Deno's DatabaseSync has no code for what its constructor (which adds ": PATH") and
 * exec() throw.
 */
const CODES: Record<string, number> = {
  "database is locked": BUSY,
  "attempt to write a readonly database": READONLY,
  "disk I/O error": IOERR,
  "database disk image is malformed": CORRUPT,
  "database or disk is full": FULL,
  "unable to open database file": CANTOPEN,
};

/** What is said of a file whose contents are no good. */
export function damaged(how: string): string {
  return `it is damaged (${how}): move it away to begin anew, or put a copy from before in its place`;
}

/**
 * A {@linkcode StoreError} that names the file, where the file or its disk is the reason of the error; otherwise the
 * error is a mistake of ours, and stays as it is.
 */
export function explain(path: string, error: unknown): unknown {
  const what = reason(error);
  return what === undefined
    ? error
    : new StoreError(`database ${path}: ${what}`, { cause: error });
}

function reason(error: unknown): string | undefined {
  if (error instanceof StoreError) return error.message;
  if (!(error instanceof Error)) return undefined;
  const { message } = error;
  const { errcode = CODES[message.split(":")[0]] } = error as Error & {
    errcode?: number;
  };
  if (errcode === undefined) return systemMessage(error);
  switch (errcode & 0xff) { // the rest says more precisely which
    case BUSY:
      return "another process has it open: stop that one, or give each Jitsu a database of its own";
    case READONLY:
      return "it cannot be written: give Jitsu write access to it and to its directory";
    case FULL:
      return "the disk is full: make room";
    case IOERR:
      return `${message}: see what is wrong with its disk`;
    case CANTOPEN:
      return "it cannot be opened: give Jitsu write access to its directory";
    case CORRUPT:
    case NOTADB:
      return damaged(message);
  }
}

/** What the system says, where it was the system that said something. */
function systemMessage(error: Error): string | undefined {
  // As in "No such file or directory (os error 2): open '/a/b'"
  const [, text] = /^(.+?) \(os error \d+\)/.exec(error.message) ?? [];
  if (text === undefined) return undefined;
  return error instanceof Deno.errors.NotFound
    ? "its directory does not exist: make it, or name another file"
    : `${text.toLowerCase()}: name a file that Jitsu can read and write`;
}
