/**
 * Sees to it that no process outlives the daemon, not even one that is killed with SIGKILL and can do nothing itself.
 *
 * One small shell reads from a pipe; the pipe ends when the daemon does, however that came, and then the shell kills
 * all that bear a mark of this daemon (mark.ts). A process has its mark from its first moment on, so the shell need not
 * be told of it. One that was being started when the daemon was killed is not missed either: until it executes its
 * program it has our end of the pipe, as all that is made by fork(2) or vfork(2).
 *
 * @module
 */
import { log } from "../../log.ts";
import { readProcessFile } from "../../procfs.ts";
import { BackendError } from "../backend.ts";
import { bearing, UNMARKED } from "./mark.ts";

/**
 * $1 is what our marks begin with. "- MARK" has those who bear that mark left alone, "+ MARK" no more. At the end
 * /proc is gone through until twice in a row nobody was found who had not been killed before: what is killed can start
 * nothing more (fork(2) fails once SIGKILL is pending), but goes when the kernel likes, and stays as a zombie while
 * nobody asks for it. The line in /proc/PID/limits is "Max resident set  SOFT  HARD  bytes" (proc_pid_limits(5)).
 */
const SCRIPT = `
trap '' HUP INT QUIT TERM
left=' ' killed=' ' quiet=0
while read -r sign mark; do
  case $sign in
    -) left="$left$mark " ;;
    +) left="\${left%% $mark *} \${left#* $mark }" ;;
  esac
done
while [ $quiet -lt 2 ]; do
  quiet=$((quiet + 1))
  for limits in /proc/[0-9]*/limits; do
    soft=
    while read -r max resident set soft hard; do
      [ "$max $resident $set" = 'Max resident set' ] && break
      soft=
    done <"$limits"
    pid=\${limits#/proc/} pid=\${pid%/limits}
    case $soft in "$1"???????) ;; *) continue ;; esac
    case $left in *" $soft "*) continue ;; esac
    case $killed in *" $pid "*) continue ;; esac
    kill -s KILL "$pid"
    killed="$killed$pid " quiet=0
  done
done
`;

/** A shell that ends sooner than this after its start is not started again at once. */
const TOO_SOON_MS = 1000;

/** What the shell is called, which shows in /proc/PID/cmdline before its prefix: proc_pid_cmdline(5). */
const NAME = "jitsu-watchdog";

/** Whether the daemon that gave the mark lives, or is about to be dealt with: its watchdog does. */
export async function isWatched(mark: bigint): Promise<boolean> {
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = readProcessFile(Number(name), "cmdline")?.split("\0") ?? [];
    const prefix = words[words.indexOf(NAME) + 1];
    if (words.includes(NAME) && String(mark).startsWith(prefix)) return true;
  }
  return false;
}

/** See the module's comment. */
export class Watchdog {
  /** The marks of those who are left alone; a shell that is started anew is told of them. */
  readonly #left = new Set<bigint>();
  #shell?: {
    input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
    ended: Promise<void>;
  };
  #opening?: Promise<void>;
  #closed = false;

  /** @param prefix what the marks begin with, see `Marks.prefix` */
  constructor(readonly prefix: string) {}

  /** Starts the shell unless it runs. Rejects with {@linkcode BackendError}. */
  open(): Promise<void> {
    if (this.#shell !== undefined) return Promise.resolve();
    return this.#opening ??= this.#start().finally(() =>
      this.#opening = undefined
    );
  }

  async #start(): Promise<void> {
    if (this.#closed) throw new BackendError("Jitsu is exiting");
    const startedAt = Date.now();
    let child: Deno.ChildProcess;
    try {
      // Without a mark, also where we are a machine of another Jitsu ourselves and would go with it.
      child = await bearing(UNMARKED, () =>
        new Deno.Command("/bin/sh", {
          args: ["-c", SCRIPT, NAME, this.prefix],
          cwd: "/",
          clearEnv: true,
          env: { PATH: "/usr/bin:/bin" },
          stdin: "piped",
          stdout: "null",
          stderr: "null",
          detached: true, // what ends the daemon's process group must not end it first
        }).spawn());
    } catch (error) {
      throw new BackendError(
        `no watchdog: ${(error as Error).message}`,
      );
    }
    const input = child.stdin.getWriter();
    const ended = child.status.then(async () => {
      this.#shell = undefined;
      if (this.#closed) return;
      await input.close().catch(() => {}); // a broken pipe by now, but still open
      await this.#reopen(Date.now() - startedAt);
    });
    this.#shell = { input, ended };
    // The first write to a pipe waits for the event loop, those after it go out at once: an empty message to be past it.
    const messages = ["", ...[...this.#left].map((mark) => `- ${mark}`)];
    await Promise.all(messages.map((message) => this.#tell(message)));
  }

  /** Once this resolves, those who bear the mark are left alone when the daemon ends. */
  async leave(mark: bigint): Promise<void> {
    if (this.#left.has(mark)) return;
    this.#left.add(mark);
    await this.#tell(`- ${mark}`);
  }

  /** Once this resolves, those who bear the mark are killed when the daemon ends, as all that bear marks of ours are. */
  async track(mark: bigint): Promise<void> {
    if (this.#left.delete(mark)) await this.#tell(`+ ${mark}`);
  }

  /** Ends the shell, which kills what still bears a mark and is not to be left. */
  async close(): Promise<void> {
    this.#closed = true;
    const shell = this.#shell;
    if (shell === undefined) return;
    // Rejects when the shell is gone already, which is what we want.
    await shell.input.close().catch(() => {});
    await shell.ended;
  }

  async #tell(message: string): Promise<void> {
    // A shell that is gone can't be told; its successor is told of all marks.
    await this.#shell?.input.write(new TextEncoder().encode(message + "\n"))
      .catch(() => {});
  }

  async #reopen(lifetime: number): Promise<void> {
    try {
      if (lifetime < TOO_SOON_MS) {
        throw new BackendError("the watchdog of the processes ended at once");
      }
      await this.open();
      log("backend").warn(
        "the watchdog of the processes was killed; started another",
      );
    } catch (error) {
      log("backend").error(
        `${
          (error as Error).message
        }: until it runs again, with the next process, a kill -9 of the daemon leaves the processes running`,
      );
    }
  }
}
