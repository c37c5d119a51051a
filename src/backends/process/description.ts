/**
 * The process backend as the command line knows it: its keys and what they mean. Nothing of the backend itself is
 * loaded before it is opened.
 *
 * @module
 */
import { type BackendDescription, BackendError } from "../backend.ts";
import { parseArgv } from "./argv.ts";

/** What `expected` says of a value that a parser refuses: the parser's own words. */
function refusal(parse: () => unknown): string | undefined {
  try {
    parse();
  } catch (error) {
    return (error as Error).message;
  }
}

/** `-x process`: a child process of the daemon for each unikernel. */
export const PROCESS: BackendDescription = {
  name: "process",
  doc:
    "Runs each unikernel as a child process: a Solo5 tender, a QEMU or Firecracker microVM, any server.",
  keys: [
    {
      name: "command",
      required: true,
      hasLines: true,
      doc:
        "The program and its arguments, with a shell's quoting ('...', \"...\" and \\) but never given to a shell: " +
        "$, *, | and > mean nothing. It must stay in the foreground. Programs are looked for on PATH.",
      expected: (value) => refusal(() => parseArgv(value)),
    },
    {
      name: "cwd",
      doc: "The directory to run it in. Default: the daemon's.",
    },
    {
      name: "env",
      repeatable: true,
      doc:
        "NAME=VALUE, added to the environment, which is the daemon's without JITSU_* and what systemd tells the daemon, or " +
        "with user= a new one.",
      expected: (value) =>
        /^[^=\0]+=[^\0]*$/.test(value) ? undefined : "NAME=VALUE",
    },
    {
      name: "user",
      doc:
        "USER or USER:GROUP to run it as, by name or number. Needs root. The process is in that one group only, not in " +
        "the user's other groups: name the group it needs, for example user=www:kvm. Its environment is that user's HOME, SHELL, USER, LOGNAME and PATH.",
      expected: (value) =>
        /^[^:]+(:[^:]+)?$/.test(value) ? undefined : "USER or USER:GROUP",
    },
    {
      name: "kill_timeout",
      doc:
        "Seconds between SIGTERM and SIGKILL when the process is shut down. Default: shutdown_timeout.",
      expected: (value) =>
        /^\d+(\.\d+)?$/.test(value) ? undefined : "a number of seconds",
    },
    {
      name: "pidfile",
      doc:
        "A file for the process's id, which lets a suspended process outlive the daemon: the next one finds it there " +
        "and resumes it. It must be in a directory where only root or the daemon's user can replace it. The output of such " +
        "a process is not logged but goes where the daemon's goes.",
    },
  ],
  capabilities: {
    ethernet: "a process has no network interface of its own",
    xen: () => "a process is no guest of Xen and has no xenstore",
  },
  async open() {
    if (Deno.build.os !== "linux") {
      throw new BackendError(
        "the process backend needs Linux: it follows its processes through /proc",
      );
    }
    const { ProcessBackend } = await import("./backend.ts");
    return new ProcessBackend();
  },
};
