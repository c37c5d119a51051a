/**
 * What the tests in dom0 share: the guests of the rig, and Xen's own tools.
 *
 * @module
 */
import { run } from "../run.ts";

/** Whether this is the dom0 of a Xen host. Where it is not, the tests that need it are to be ignored. */
export const isDom0 = await Deno.readTextFile("/proc/xen/capabilities").then(
  (text) => text.includes("control_d"),
  () => false,
);
if (!isDom0) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log("skipped: tests in dom0, which deno task test:xen has");
}

/** A test that needs dom0, where Deno checks for what is left behind. */
export function test(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): void {
  Deno.test({
    name,
    fn,
    ignore: !isDom0,
    sanitizeOps: true,
    sanitizeResources: true,
  });
}

/** A PV unikernel of 4 MiB that does what its command line says: see rig/guest/tiny.c. */
export const TINY = "/guest/tiny";
/** The same as an HVM unikernel. */
export const TINY_HVM = "/guest/tiny-hvm";
/** A Linux that serves HTTP: see rig/guest/init. */
export const LINUX = "/guest/vmlinux", INITRD = "/guest/guest.cpio";

/** What the guest's kernel does not spend its time on: a sixth of its boot under emulation. */
const QUICKER =
  "mitigations=off nokaslr noreplace-smp audit=0 apparmor=0 cryptomgr.notests 8250.nr_uarts=0";

/** The kernel's command line of the Linux guest with these addresses, the first of eth0 and so on. */
export function linuxCommandLine(...addresses: string[]): string {
  const ip = addresses.map((address) => `${address}/24`).join(",");
  return `console=hvc0 quiet panic=-1 ${QUICKER} jitsu.ip=${ip}`;
}

/** The ids of the domains that there are, by their names. */
export async function domains(): Promise<Map<string, number>> {
  const lines = (await run(["xl", "list"])).split("\n").slice(1);
  return new Map(lines.map((line) => {
    const [, name, domid] = /^(\S*)\s+(\d+) /.exec(line)!;
    return [name, Number(domid)];
  }));
}

/** The value of a key in xenstore, or undefined where there is none. */
export async function xenstoreRead(path: string): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command("xenstore-read", {
    args: ["-R", path],
    stderr: "null",
  }).output();
  return success ? new TextDecoder().decode(stdout).trimEnd() : undefined;
}

/** Makes a domain with xl(1); `config` is as in xl.cfg(5). */
export async function xlCreate(
  config: string,
  ...options: string[]
): Promise<void> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, config);
    await run(["xl", "create", ...options, file]);
  } finally {
    await Deno.remove(file);
  }
}

/** A tiny guest for {@linkcode xlCreate}. */
export function tinyConfig(name: string, cmdline = ""): string {
  return `name="${name}"\ntype="pv"\nkernel="${TINY}"\nmemory=4\nextra="${cmdline}"\n`;
}
