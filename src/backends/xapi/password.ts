/**
 * Where the password for a pool comes from: a file, the environment, or the URL, in this order.
 *
 * @module
 */
import { FileError, readTrusted } from "../../files.ts";
import { log } from "../../log.ts";
import { BackendError } from "../backend.ts";
import type { Target } from "./connect.ts";

const VARIABLE = "JITSU_XAPI_PASSWORD";

/** A password, which may be another one later where it is in a file. */
export class Password {
  /** All that it ever was, which are to be shown to nobody. */
  readonly all: ReadonlySet<string>;
  readonly #all: Set<string>;
  readonly #file?: string;
  #value: string;

  constructor(value: string, file?: string) {
    this.#value = value;
    this.#file = file;
    this.all = this.#all = new Set([value]);
  }

  get value(): string {
    return this.#value;
  }

  /** Reads the file anew, if there is one. Where it cannot be read, the password stays, and the log says why. */
  reread(): void {
    if (this.#file === undefined) return;
    try {
      this.#value = readPassword(this.#file);
      this.#all.add(this.#value);
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      log("backend").warn(error.message);
    }
  }
}

/**
 * The password. Warns where others can read it, too. `environment` is read as `Deno.env` is.
 * Throws {@linkcode BackendError} where there is none.
 */
export function findPassword(
  target: Target,
  file: string | undefined,
  environment: { get(name: string): string | undefined } = Deno.env,
): Password {
  if (target.password !== undefined) {
    log("backend").warn(
      "the password in --connect can be seen by everybody on this host (ps), and in the shell's history: put it into " +
        `a file for --xapi-password-file, or into ${VARIABLE}`,
    );
  }
  if (file !== undefined) return new Password(readPassword(file), file);
  const password = environment.get(VARIABLE) || target.password;
  if (password === undefined) {
    throw new BackendError(
      `there is no password for ${target.user} at ${target.host}: write it into a file that only you can read and ` +
        `name that with --xapi-password-file, or set ${VARIABLE}`,
    );
  }
  return new Password(password);
}

function readPassword(path: string): string {
  const what = `--xapi-password-file ${path}`;
  let text: string, mode: number;
  try {
    ({ text, mode } = readTrusted(path, { followLink: true }));
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new BackendError(`${what}: ${error.message}`);
  }
  if ((mode & 0o077) !== 0) {
    log("backend").warn(
      `${what} can be read by others than its owner (mode ${
        (mode & 0o777).toString(8)
      }): chmod 600 ${path}`,
    );
  }
  const password = text.replace(/\r?\n$/, "");
  if (password === "") throw new BackendError(`${what} is empty`);
  return password;
}
