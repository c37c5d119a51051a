/**
 * The process backend as the command line knows it: its keys and what they mean. Nothing of the backend itself is
 * loaded before it is opened.
 *
 * @module
 */
import type { ValuesOf } from "../../values/key.ts";
import {
  readAnyText,
  readSeconds,
  readText,
  ValueError,
} from "../../values/readers.ts";
import {
  type BackendDescription,
  BackendError,
  type BackendKey,
} from "../backend.ts";
import { readUser } from "./accounts.ts";
import { readArgv } from "./argv.ts";

/** A variable of an environment. */
function readSetting(text: string): { name: string; value: string } {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new ValueError("NAME=VALUE");
  return { name, value };
}

const KEYS = [
  {
    name: "command",
    read: readArgv,
    required: true,
    hasLines: true,
    doc:
      "The program and its arguments, with a shell's quoting ('...', \"...\" and \\) but never given to a shell: " +
      "$, *, | and > mean nothing. It must stay in the foreground. Programs are looked for on PATH.",
  },
  {
    name: "cwd",
    read: readAnyText,
    doc: "The directory to run it in. Default: the daemon's.",
  },
  {
    name: "env",
    read: readSetting,
    repeatable: true,
    doc:
      "NAME=VALUE, added to the environment, which is the daemon's without JITSU_* and what systemd tells the daemon, or " +
      "with user= a new one.",
  },
  {
    name: "user",
    read: readUser,
    doc:
      "USER or USER:GROUP to run it as, by name or number. Needs root. The process is in that one group only, not in " +
      "the user's other groups: name the group it needs, for example user=www:kvm. Its environment is that user's HOME, SHELL, USER, LOGNAME and PATH.",
  },
  {
    name: "kill_timeout",
    read: readSeconds,
    doc:
      "Seconds between SIGTERM and SIGKILL when the process is shut down. Default: shutdown_timeout.",
  },
  {
    name: "pidfile",
    read: readText,
    doc:
      "A file for the process's id, which lets a suspended process outlive the daemon: the next one finds it there " +
      "and resumes it. It must be in a directory where only root or the daemon's user can replace it. The output of such " +
      "a process is not logged but goes where the daemon's goes.",
  },
] as const satisfies readonly BackendKey[];
export type ProcessKeys = ValuesOf<typeof KEYS>;

/** `-x process`: a child process of the daemon for each unikernel. */
export const PROCESS: BackendDescription = {
  name: "process",
  doc:
    "Runs each unikernel as a child process: a Solo5 tender, a QEMU or Firecracker microVM, any server.",
  keys: KEYS,
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
