/**
 * Which processes have a port, as proc(5) tells: /proc/net/udp and /proc/net/tcp have a socket's inode, and a process
 * that has it open has a link to it in /proc/PID/fd.
 *
 * @module
 */
import { resolve } from "node:path";
import { fileURLToPath as fromFileUrl } from "node:url";
import { readProcessFile } from "../procfs.ts";

/** A process, by the name that ps(1) shows (15 characters at the most). */
export interface Holder {
  program: string;
  pid: number;
  /** Whether it is this program, compiled or run by Deno. */
  isJitsu: boolean;
}

/** State in /proc/net/tcp of a socket that listens (TCP_LISTEN of tcp_states.h). */
const LISTENING = "0A";

/** The processes that serve on a port. Without root only one's own are found. */
export async function holdersOf(
  protocol: "UDP" | "TCP",
  port: number,
): Promise<Holder[]> {
  const inodes = new Set<string>();
  for (const suffix of ["", "6"]) {
    const path = `/proc/net/${protocol.toLowerCase()}${suffix}`;
    const table = await Deno.readTextFile(path).catch(() => "");
    for (const line of table.split("\n").slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (local === undefined || parseInt(local.split(":")[1], 16) !== port) {
        continue;
      }
      if (protocol === "UDP" || state === LISTENING) inodes.add(inode);
    }
  }
  const holders: Holder[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    const pid = Number(name);
    if (Number.isInteger(pid) && await hasSocket(pid, inodes)) {
      const comm = readProcessFile(pid, "comm");
      if (comm === undefined) continue;
      const program = comm.trimEnd();
      const isJitsu = program === "jitsu" || runsOurMain(pid);
      holders.push({ program, pid, isJitsu });
    }
  }
  return holders;
}

/** Whether a process runs the same main module as we do: a Jitsu that is not compiled is called after its runtime. */
function runsOurMain(pid: number): boolean {
  const [, ...words] = (readProcessFile(pid, "cmdline") ?? "").split("\0");
  try {
    const main = Deno.realPathSync(fromFileUrl(Deno.mainModule));
    const folder = Deno.readLinkSync(`/proc/${pid}/cwd`);
    return words.some((word) => resolve(folder, word) === main);
  } catch {
    return false; // it is gone, or somebody else's; or our own module is in a compiled program
  }
}

async function hasSocket(pid: number, inodes: Set<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const target = await Deno.readLink(`${folder}/${name}`).catch(() => "");
      const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
      if (inodes.has(inode)) return true;
    }
  } catch (error) {
    // Somebody else's, or gone by now.
    if (
      !(error instanceof Deno.errors.PermissionDenied ||
        error instanceof Deno.errors.NotFound)
    ) throw error;
  }
  return false;
}
