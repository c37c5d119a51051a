/**
 * Visiting guests by their names, as somebody does who knows nothing of Jitsu: curl, the system's resolver, and Jitsu as
 * its name server. In the sandbox, which has a resolv.conf of its own for that.
 *
 * @module
 */
import { Namespace, plugIn } from "../../catch/namespace.ts";
import { until } from "../../until.ts";
import { curl, here, type Run, type Visit } from "../curl.ts";
import { Jitsu } from "../harness.ts";
import { BOOT_PATIENCE_MS } from "./guest.ts";
import { BRIDGE, type Guest, QEMU_URI, readyFile } from "./rig.ts";
import { run } from "../../run.ts";

/** The address of the bridge: everybody around it can ask there. */
const NAME_SERVER = "10.77.0.1";

/**
 * Lets names of this sandbox be resolved by Jitsu, with the patience that a boot under emulation takes. Each attempt after
 * the first is for a response that says to ask again later.
 */
export async function useNameServer(): Promise<void> {
  const file = "/run/resolv.conf";
  await Deno.writeTextFile(
    file,
    `nameserver ${NAME_SERVER}\noptions timeout:30 attempts:5\n`,
  );
  await run(["mount", "--bind", file, "/etc/resolv.conf"]);
}

/** Starts Jitsu as the name server, for one guest that it waits for until it serves HTTP. */
export function startForVisits(
  { name, ip, ipv6 }: Guest,
  ...options: string[]
): Promise<Jitsu> {
  return Jitsu.start(
    ...["--backend=libvirt", `--connect=${QEMU_URI}`, "--forwarder=0.0.0.0"],
    ...[
      `--bind=${NAME_SERVER}`,
      "--listen=53",
      "--control=/run/jitsu",
      ...options,
    ],
    `dns=${name}.test,ip=${ip},ip=${ipv6},name=${name},wait_for_tcp=80,wait_timeout=600`,
  );
}

/** A host on the bridge beside the guests. */
export async function neighbour(): Promise<Namespace> {
  const host = await Namespace.start("visitor");
  await run(["ip", "link", "set", host.name, "master", BRIDGE]);
  await host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad");
  await host.run("ip", "address", "add", "10.77.0.2/24", "dev", "eth0");
  await host.run("ip", "address", "add", "fd77::2/64", "dev", "eth0");
  await plugIn(host);
  return host;
}

/** Visits a guest over IPv4 or IPv6, from where `on` runs commands. */
export function visit(
  guest: Guest,
  family: 4 | 6,
  on: Run = here,
): Promise<Visit> {
  const url = `http://${guest.name}.test/`;
  return curl(on, url, `-${family}`, "--max-time", "120");
}

/** Milliseconds from now until the guest that boots now listens and is on the network, by its own word. */
export async function listening(guest: Guest): Promise<number> {
  const began = performance.now();
  const file = readyFile(guest.name);
  const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
  while (performance.now() - began < BOOT_PATIENCE_MS) {
    const text = await Deno.readTextFile(file).catch(() => "");
    if (text !== "") return performance.now() - began;
    await pause();
  }
  throw new Error(`${guest.name} did not become ready`);
}

/** Makes the next visit the first one: the guest is off, and nobody around the bridge knows its MAC address. */
export async function forgetGuest(
  jitsu: Jitsu,
  guest: Guest,
  others: readonly Namespace[],
): Promise<void> {
  const from = jitsu.log.length;
  // By Jitsu: one that goes off by itself again and again is in a crash loop.
  await jitsu.stopUnikernel(guest.name);
  await jitsu.logged(new RegExp(`${guest.name}: off`), from);
  await Deno.remove(readyFile(guest.name));
  await run(["ip", "neigh", "flush", "dev", BRIDGE]);
  for (const each of others) {
    await each.run("ip", "neigh", "flush", "dev", "eth0");
  }
  await until(
    "the guest's interface is gone",
    async () =>
      !(await run(["ip", "-o", "link", "show", "master", BRIDGE])).includes(
        "vnet",
      ),
  );
}
