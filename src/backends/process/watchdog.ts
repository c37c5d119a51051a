/**
 * Sees to it that no process outlives the daemon, not even one that is killed with SIGKILL and can do nothing itself.
 *
 * The kernel's own means, PR_SET_PDEATHSIG, is not to be had from Deno and would reach the child only, not what the
 * child started. So one small shell reads from a pipe which process groups there are; the pipe ends when the daemon
 * does, however that came, and then the shell kills them all. The one gap is the fraction of a millisecond between the
 * start of a process and the message that tells of it. (To have each process wait for a word from us before it runs
 * would close it, but takes a shell in front of every command, which changes its environment and hides why it can't be
 * executed.)
 *
 * @module
 */
import { log } from "../../log.ts";
import { BackendError } from "../backend.ts";
import type { ProcessIdentity } from "./group.ts";

/**
 * "+ PID START" adds the group of that leader, "- PID START" removes it. A leader that has an entry in /proc with
 * another start time (field 22 of proc_pid_stat(5), the 20th after the name in parentheses) is somebody else's;
 * without an entry, the group is what it left behind.
 */
const SCRIPT = `
trap '' HUP INT QUIT TERM
groups=' '
while read -r sign pid start; do
  group="$pid:$start"
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do
  pid=\${group%:*}
  stat=$(cat "/proc/$pid/stat")
  set -- \${stat##*) }
  if [ -z "$stat" ] || [ "\${20}" = "\${group#*:}" ]; then
    kill -s KILL -- "-$pid"
  fi
done
`;

/** A shell that ends sooner than this after its start is not started again at once. */
const TOO_SOON_MS = 1000;

/** See the module's comment. */
export class Watchdog {
  /** What the shell knows, or is told once it runs again: "PID START". */
  readonly #groups = new Set<string>();
  #shell?: {
    input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
    ended: Promise<void>;
  };
  #closed = false;

  /** Starts the shell unless it runs. Rejects with {@linkcode BackendError}. */
  async open(): Promise<void> {
    if (this.#closed) throw new BackendError("Jitsu is exiting");
    if (this.#shell !== undefined) return;
    const startedAt = Date.now();
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command("/bin/sh", {
        args: ["-c", SCRIPT],
        cwd: "/",
        clearEnv: true,
        env: { PATH: "/usr/bin:/bin" },
        stdin: "piped",
        stdout: "null",
        stderr: "null",
        detached: true, // what ends the daemon's process group must not end it first
      }).spawn();
    } catch (error) {
      throw new BackendError(
        `the watchdog of the processes: ${(error as Error).message}`,
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
    const messages = ["", ...[...this.#groups].map((group) => `+ ${group}`)];
    await Promise.all(messages.map((message) => this.#tell(message)));
  }

  /** Once this resolves, the group is killed when the daemon ends. */
  async track({ pid, startTime }: ProcessIdentity): Promise<void> {
    const group = `${pid} ${startTime}`;
    if (this.#groups.has(group)) return;
    this.#groups.add(group);
    await this.#tell(`+ ${group}`);
  }

  /** Once this resolves, the group is left alone. */
  async untrack({ pid, startTime }: ProcessIdentity): Promise<void> {
    const group = `${pid} ${startTime}`;
    if (this.#groups.delete(group)) await this.#tell(`- ${group}`);
  }

  /** Ends the shell, which kills what is still tracked. */
  async close(): Promise<void> {
    this.#closed = true;
    const shell = this.#shell;
    if (shell === undefined) return;
    // Rejects when the shell is gone already, which is what we want.
    await shell.input.close().catch(() => {});
    await shell.ended;
  }

  async #tell(message: string): Promise<void> {
    // A shell that is gone can't be told; its successor is told of all groups.
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
