/**
 * Starting a process: in a session and process group of its own, with nothing on its stdin, bearing its machine's mark
 * from its first moment on.
 *
 * posix_spawn(3) does it in a thread of Deno's pool and without a copy of our address space: 0.2 ms of a processor and
 * none of the event loop. Deno.Command forks on the event loop, 3 ms and more the larger we are; it is left for what
 * posix_spawn cannot do, which is to run a process as another user. (Between vfork(2) and execve(2) that would not be
 * safe either: the user could take hold of our memory.)
 *
 * @module
 */
import { cString } from "../../ffi/c_string.ts";
import { holding } from "../../ffi/hold.ts";
import { readStat } from "../../procfs.ts";
import { BackendError } from "../backend.ts";
import type { Command } from "./command.ts";
import { libc } from "./libc.ts";
import { bearing } from "./mark.ts";
import { openPipe, type Pipe, type PipeReader } from "./pipes.ts";
import { delay } from "../../wait.ts";

/** `<spawn.h>`, the same in glibc and musl; the sizes are theirs (336 and 80) and then some. */
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const ATTRIBUTES_SIZE = 512, FILE_ACTIONS_SIZE = 256;
/** The size of sigset_t, and SIGPIPE, which Deno ignores and a child must not: bit 12 of it. */
const SIGSET_SIZE = 128, SIGPIPE = 13;
/** `<errno.h>` */
const ENOENT = 2, ENOEXEC = 8;

/** What was started. */
export interface Spawned {
  readonly pid: number;
  /** See `ProcessStat.startTime`. */
  readonly startTime: number;
  /** The child where Deno waits for it; it is for us to do so (waitid) where there is none. */
  readonly child?: Deno.ChildProcess;
  /** Its stdout and stderr where they were piped. */
  readonly output: ReadableStream<Uint8Array<ArrayBuffer>>[];
}

/** `char *const[]`: pointers to strings, and a null pointer. All of `memory` has to be kept alive. */
function stringArray(texts: readonly string[]) {
  const strings = texts.map(cString);
  const pointers = new BigUint64Array(texts.length + 1);
  strings.forEach((string, i) => {
    pointers[i] = BigInt(
      Deno.UnsafePointer.value(Deno.UnsafePointer.of(string)),
    );
  });
  return { array: new Uint8Array(pointers.buffer), memory: strings };
}

function signalSet(...signals: number[]): Uint8Array<ArrayBuffer> {
  const set = new Uint8Array(SIGSET_SIZE);
  for (const signal of signals) {
    set[(signal - 1) >> 3] |= 1 << ((signal - 1) & 7);
  }
  return set;
}

/** In our words, as Deno words it. */
function failure(program: string, errno: number): BackendError {
  const text = libc().strerror(errno);
  const why = text && Deno.UnsafePointerView.getCString(text);
  const hint = errno === ENOENT
    ? ": it or the interpreter it names is gone"
    : "";
  return new BackendError(`Failed to spawn '${program}': ${why}${hint}`);
}

/**
 * Starts the command; its output is piped where there is a `reader` for it, else it goes where ours goes.
 * Rejects with {@linkcode BackendError}.
 */
export async function spawn(
  command: Command,
  mark: bigint,
  reader?: PipeReader,
): Promise<Spawned> {
  const isForUs = command.uid === undefined &&
    (command.cwd === Deno.cwd() ||
      libc().posix_spawn_file_actions_addchdir_np !== null);
  if (isForUs) return await bearing(mark, () => spawnAsUs(command, reader));
  return await bearing(mark, async () => {
    const began = performance.now();
    const spawned = forkAs(command, reader !== undefined);
    // Before the next fork everybody else has as long as this one took.
    await delay(performance.now() - began);
    return spawned;
  });
}

async function spawnAsUs(
  command: Command,
  reader: PipeReader | undefined,
): Promise<Spawned> {
  const pipes: Pipe[] = [];
  try {
    if (reader) pipes.push(openPipe(), openPipe());
    const pid = await posixSpawn(command, pipes);
    const output = pipes.map(({ read }) => reader!.stream(read));
    return { pid, startTime: startTimeOf(pid), output };
  } catch (error) {
    for (const { read } of pipes) libc().close(read);
    throw error;
  } finally {
    for (const { write } of pipes) libc().close(write);
  }
}

/** Of a child that nobody can have waited for yet: one that has exited already is a zombie, which still has an entry. */
function startTimeOf(pid: number): number {
  return readStat(pid)!.startTime;
}

/** posix_spawn(3); `pipes` are for stdout and stderr. Rejects with {@linkcode BackendError}. */
async function posixSpawn(
  { program, args, cwd, environment }: Command,
  pipes: readonly Pipe[],
): Promise<number> {
  const c = libc();
  const pid = new Int32Array(1);
  const actions = new Uint8Array(FILE_ACTIONS_SIZE);
  const attributes = new Uint8Array(ATTRIBUTES_SIZE);
  c.posix_spawn_file_actions_init(actions);
  c.posix_spawnattr_init(attributes);
  try {
    c.posix_spawn_file_actions_addopen(actions, 0, cString("/dev/null"), 0, 0);
    pipes.forEach(({ write }, i) =>
      c.posix_spawn_file_actions_adddup2(actions, write, i + 1)
    );
    c.posix_spawn_file_actions_addchdir_np?.(actions, cString(cwd));
    c.posix_spawnattr_setflags(
      attributes,
      POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF,
    );
    c.posix_spawnattr_setsigmask(attributes, signalSet());
    c.posix_spawnattr_setsigdefault(attributes, signalSet(SIGPIPE));
    const envp = stringArray(
      Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    );
    const execute = (path: string, argv: readonly string[]) => {
      const file = cString(path), words = stringArray(argv);
      const output = new Uint8Array(pid.buffer);
      return holding(
        [output, file, actions, attributes, words.array, envp.array]
          .concat(words.memory, envp.memory),
        c.posix_spawn(
          output,
          file,
          actions,
          attributes,
          words.array,
          envp.array,
        ),
      );
    };
    let errno = await execute(program, [program, ...args]);
    // A script without "#!" is the shell's: execvp(3).
    if (errno === ENOEXEC) {
      errno = await execute("/bin/sh", ["/bin/sh", program, ...args]);
    }
    if (errno !== 0) throw failure(program, errno);
    return pid[0];
  } finally {
    c.posix_spawn_file_actions_destroy(actions);
    c.posix_spawnattr_destroy(attributes);
  }
}

/** fork(2) and execve(2), on the event loop. Throws {@linkcode BackendError}. */
function forkAs(
  { program, environment, ...options }: Command,
  piped: boolean,
): Spawned {
  const output = piped ? "piped" : "inherit";
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      ...options,
      env: environment,
      clearEnv: true,
      stdin: "null",
      stdout: output,
      stderr: output,
      detached: true, // setsid(2)
    }).spawn();
  } catch (error) {
    const hint = error instanceof Deno.errors.NotFound
      ? ": it or the interpreter it names is gone"
      : "";
    throw new BackendError((error as Error).message + hint);
  }
  return {
    pid: child.pid,
    startTime: startTimeOf(child.pid),
    child,
    output: piped ? [child.stdout, child.stderr] : [],
  };
}
