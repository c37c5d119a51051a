/**
 * `deno run -A tests/e2e/qemu/sandbox.ts COMMAND...`: runs a command where it can have a libvirtd, bridges and guests of
 * its own and be in nobody's way.
 *
 * The command gets network, mount and process namespaces of its own. It sees no network but its own, none of the
 * machine's sockets and daemons (/run), none of libvirt's files, and when it ends, everything that it started ends.
 * What it needs is installed before, from Debian's packages; of libvirt's folders, those that are missing are made. Its
 * exit code is the sandbox's.
 *
 * @module
 */
import { guestImage } from "./image.ts";
import { run } from "../../run.ts";

/** Set for the command, so that tests know where they are. */
export const SANDBOX = "JITSU_QEMU_SANDBOX";

const PACKAGES = [
  "bind9-dnsutils",
  "busybox-static",
  "curl",
  "iproute2",
  "kmod",
  "libvirt-clients",
  "libvirt-daemon",
  "libvirt-daemon-driver-qemu",
  "qemu-system-x86",
  "util-linux",
  "xz-utils",
];

/**
 * The shell stays and is the namespace's init: it takes in what is orphaned there, such as QEMUs that libvirtd detached,
 * which would otherwise stay zombies that libvirtd waits for.
 *
 * libvirt-daemon-system, which is not installed because it starts daemons, would make the user and group that libvirt's
 * QEMU driver looks up even when its configuration names others.
 */
const SETUP = `
for folder in /etc/libvirt /run /var/cache/libvirt /var/lib/libvirt /var/log/libvirt; do
  mkdir -p $folder
  mount -t tmpfs -o mode=755 tmpfs $folder
done
for file in passwd group; do
  cp /etc/$file /run/$file
  grep -q ^libvirt-qemu: /etc/$file || echo libvirt-qemu:x:64055:64055:::/usr/sbin/nologin >>/run/$file
  mount --bind /run/$file /etc/$file
done
mount -t sysfs sysfs /sys
ip link set lo up
code=0
"$@" || code=$?
exit $code
`;

async function install(): Promise<void> {
  const states = await Promise.all(
    PACKAGES.map((name) =>
      run(["dpkg-query", "-W", "-f", "${db:Status-Status}", name])
        .catch(() => "unknown")
    ),
  );
  const missing = PACKAGES.filter((_, i) => states[i] !== "installed");
  if (missing.length === 0) return;
  say(`installing ${missing.join(" ")}`);
  const apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300"];
  const options = { env: { DEBIAN_FRONTEND: "noninteractive" } };
  await run([...apt, "update"], options);
  await run(
    [...apt, "install", "-y", "--no-install-recommends", ...missing],
    options,
  );
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program for people
  console.error(`sandbox: ${text}`);
}

/** Runs the command in the sandbox and resolves with its exit code. */
async function sandbox([program, ...args]: string[]): Promise<number> {
  if (Deno.build.arch !== "x86_64") {
    throw new Error("the guests are x86_64 ones; run this on such a machine");
  }
  if (Deno.uid() !== 0) throw new Error("it takes root; run it with sudo");
  await install();
  await guestImage();
  const { code } = await new Deno.Command("setpriv", {
    args: [
      "--pdeathsig=KILL", // it ends when this program does
      "unshare",
      "--net",
      "--mount",
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
      "sh",
      "-ec",
      SETUP,
      "sandbox",
      program === "deno" ? Deno.execPath() : program, // it need not be on PATH
      ...args,
    ],
    env: { [SANDBOX]: "1" },
  }).spawn().status;
  return code;
}

if (import.meta.main) {
  try {
    Deno.exit(await sandbox(Deno.args));
  } catch (error) {
    say((error as Error).message);
    Deno.exit(1);
  }
}
