/**
 * What the tests need of the system, installed from Debian's packages where that can be done. What cannot be had is
 * named, and the tests that need it are skipped and say so.
 *
 * `deno run -A tests/setup.ts [--bench] [--xen]`: with what the benchmarks need, and what builds and boots a Xen host.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a script that talks to whoever runs it

/** A Debian package, and a file that is there when it is installed. */
type Need = [pkg: string, file: string];

const TESTS: Need[] = [
  ["bind9-dnsutils", "/usr/bin/dig"],
  ["bind9-utils", "/usr/bin/dnssec-signzone"],
  ["dnsmasq-base", "/usr/sbin/dnsmasq"],
  ["fish", "/usr/bin/fish"],
  ["iproute2", "/usr/sbin/ip"],
  ["knot-dnsutils", "/usr/bin/kdig"],
  ["libvirt0", "/usr/lib/*-linux-gnu/libvirt.so.0"],
  ["man-db", "/usr/bin/man"],
  ["mandoc", "/usr/bin/mandoc"],
  ["nsd", "/usr/sbin/nsd"],
  ["openssl", "/usr/bin/openssl"],
  ["python3", "/usr/bin/python3"],
  ["python3-dnspython", "/usr/lib/python3/dist-packages/dns/message.py"],
  ["systemd", "/usr/bin/systemd-analyze"],
  ["unbound", "/usr/sbin/unbound"],
  ["zsh", "/usr/bin/zsh"],
];
const BENCH: Need[] = [
  ["dnsperf", "/usr/bin/dnsperf"],
];

const XEN: Need[] = [
  ["cpio", "/bin/cpio"],
  ["e2fsprogs", "/sbin/mke2fs"],
  ["gcc", "/usr/bin/gcc"],
  ["libc6-dev", "/usr/include/stdio.h"],
  ["mmdebstrap", "/usr/bin/mmdebstrap"],
  ["qemu-system-x86", "/usr/bin/qemu-system-x86_64"],
  ["xz-utils", "/usr/bin/xz"],
];

async function exists(pattern: string): Promise<boolean> {
  const [before, after] = pattern.split("*");
  if (after === undefined) {
    return await Deno.stat(before).then(() => true, () => false);
  }
  const slash = before.lastIndexOf("/");
  const folder = before.slice(0, slash), start = before.slice(slash + 1);
  for await (const { name } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (
      name.startsWith(start) &&
      await exists(path + after.slice(after.indexOf("/")))
    ) return true;
  }
  return false;
}

async function run(command: string, ...args: string[]): Promise<boolean> {
  const { success, stderr } = await new Deno.Command(command, {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) console.error(new TextDecoder().decode(stderr));
  return success;
}

async function missing(needs: Need[]): Promise<string[]> {
  const there = await Promise.all(needs.map(([, file]) => exists(file)));
  return needs.filter((_, i) => !there[i]).map(([pkg]) => pkg);
}

const needs = [
  ...TESTS,
  ...Deno.args.includes("--bench") ? BENCH : [],
  ...Deno.args.includes("--xen") ? XEN : [],
];
let packages = await missing(needs);
if (
  packages.length > 0 && await exists("/usr/bin/apt-get") && Deno.uid() === 0
) {
  console.log(`installing ${packages.join(", ")}`);
  const lock = ["-o", "DPkg::Lock::Timeout=300"];
  await run("apt-get", "update", ...lock);
  await run(
    "apt-get",
    "install",
    "-y",
    "--no-install-recommends",
    ...lock,
    ...packages,
  );
  packages = await missing(needs);
}
if (packages.length > 0) {
  console.log(
    `not installed, so some tests will be skipped: ${
      packages.join(", ")
    } (Debian's packages; as root this installs them)`,
  );
}
