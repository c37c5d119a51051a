/**
 * What is run: a machine's configuration turned into a command, with everything that can be checked before it is
 * started checked against the file system.
 *
 * @module
 */
import { isAbsolute, resolve } from "node:path";
import { BackendError, type MachineConfig } from "../backend.ts";
import { type Account, resolveAccount, type User } from "./accounts.ts";
import type { ProcessKeys } from "./description.ts";

/** A command that is ready to be started. */
export interface Command {
  /** The program's absolute path. */
  program: string;
  args: string[];
  /** Absolute. */
  cwd: string;
  /** All of its environment. */
  environment: Record<string, string>;
  uid?: number;
  gid?: number;
}

/** Where programs are looked for when PATH is not set, as in execvp(3). */
const DEFAULT_PATH = "/bin:/usr/bin";
/** PATH of somebody who has just logged in: ENV_PATH and ENV_SUPATH of login.defs(5), as most systems have them. */
const USER_PATH = "/usr/local/bin:/usr/bin:/bin";
const ROOT_PATH =
  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function statOrUndefined(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory ||
      error instanceof Deno.errors.PermissionDenied
    ) return undefined;
    throw error;
  }
}

function isExecutable(path: string): boolean {
  const info = statOrUndefined(path);
  return info !== undefined && info.isFile && (info.mode! & 0o111) !== 0;
}

/** Where programs were found on PATH. */
const found = new Map<string, { program: string; at: number }>();
/** Milliseconds for which a program is where it was found: thousands of machines may have the same one. */
const FRESH = 1000;

/** The absolute path of a program, looked for as execvp(3) does. Throws an `Error` that says where it was not. */
function findProgram(name: string, cwd: string, path: string): string {
  if (!name.includes("/")) {
    const key = JSON.stringify([name, cwd, path]), now = performance.now();
    const known = found.get(key);
    if (known !== undefined && now - known.at < FRESH) return known.program;
    found.delete(key);
    const program = path.split(":").map((dir) => resolve(cwd, dir, name))
      .find(isExecutable);
    if (program !== undefined) {
      found.set(key, { program, at: now });
      return program;
    }
    throw new Error(
      `not found on PATH (${path}): install it, or give its full path`,
    );
  }
  const program = resolve(cwd, name);
  if (isExecutable(program)) return program;
  const where = isAbsolute(name) ? "" : ` (${program})`;
  const info = statOrUndefined(program);
  if (info === undefined) {
    throw new Error(`no such file${where}: give the path of the program`);
  }
  if (!info.isFile) {
    throw new Error(`not a file${where}: give the path of the program`);
  }
  throw new Error(`not executable${where}: chmod +x it, or name another file`);
}

function accountOf(user: User): Account {
  if (Deno.uid() !== 0) {
    throw new Error(
      "only root can run a process as another user: run Jitsu as root, or leave user out",
    );
  }
  return resolveAccount(user);
}

/** Of our environment, what is for us alone: our own settings, and what systemd says to this service (systemd.exec(5)). */
const OURS =
  /^(JITSU_.*|NOTIFY_SOCKET|WATCHDOG_(PID|USEC)|LISTEN_(FDS|FDNAMES|PID)|CREDENTIALS_DIRECTORY)$/;

let inherited: Record<string, string> | undefined;
function inheritedEnvironment(): Record<string, string> {
  return inherited ??= Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => !OURS.test(name)),
  );
}

/** The environment that a user begins with, as in login(1). */
function environmentOfUser({ uid, name, home, shell }: Account) {
  const env: Record<string, string> = {
    HOME: home ?? "/",
    SHELL: shell || "/bin/sh",
    PATH: uid === 0 ? ROOT_PATH : USER_PATH,
  };
  if (name !== undefined) env.USER = env.LOGNAME = name;
  return env;
}

function environmentOf(settings: ProcessKeys["env"], account?: Account) {
  const env = account === undefined
    ? { ...inheritedEnvironment() }
    : environmentOfUser(account);
  for (const { name, value } of settings) env[name] = value;
  return env;
}

/**
 * The command of a machine's `command`, `cwd`, `env` and `user` keys. Starts nothing.
 * Throws {@linkcode BackendError} that names the key, its value and what is wrong with it.
 */
export function commandOf({ keys }: MachineConfig<ProcessKeys>): Command {
  const checked = <T>(key: string, value: string, check: () => T): T => {
    try {
      return check();
    } catch (error) {
      throw new BackendError(`${key}=${value}: ${(error as Error).message}`);
    }
  };

  const { user } = keys;
  const account = user === undefined ? undefined : checked(
    "user",
    user.group === undefined ? user.user : `${user.user}:${user.group}`,
    () => accountOf(user),
  );
  const environment = environmentOf(keys.env, account);
  const cwd = resolve(keys.cwd ?? ".");
  checked("cwd", cwd, () => {
    if (!statOrUndefined(cwd)?.isDirectory) {
      throw new Error("no such directory: create it, or name another");
    }
  });
  const [argv0, ...args] = keys.command;
  const path = environment.PATH ?? DEFAULT_PATH;
  const program = checked(
    "command",
    argv0,
    () => findProgram(argv0, cwd, path),
  );
  return {
    program,
    args,
    cwd,
    environment,
    uid: account?.uid,
    gid: account?.gid,
  };
}
