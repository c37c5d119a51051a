/**
 * A bridge with hosts around it, all of them network namespaces, for scenarios that run in a namespace of their own
 * (`unshare --net`), as root. This process is on the host that has the bridge, which is a router too.
 *
 * @module
 */
import { run } from "../run.ts";
import { Namespace, plugIn } from "./namespace.ts";

export const BRIDGE = "br0";
const PEER = new URL("peer.ts", import.meta.url).pathname;

/** A host of the lab. */
export interface LabHost {
  namespace: Namespace;
  mac: string;
  ipv4: string;
  ipv6: string;
}

/** The words that begin a command that prints how often a SYN was sent again until it was connected. */
export const CONNECT = [Deno.execPath(), "run", "-A", PEER, "connect"];
/** The same for one that serves HTTP on a port. */
export const SERVE = [Deno.execPath(), "run", "-A", PEER, "serve"];

export class Lab implements AsyncDisposable {
  readonly #end = new AsyncDisposableStack();
  #hosts = 1;

  static async start(): Promise<Lab> {
    await Deno.writeTextFile("/proc/sys/net/ipv4/ip_forward", "1");
    await Deno.writeTextFile("/proc/sys/net/ipv6/conf/all/forwarding", "1");
    await run(["ip", "link", "set", "lo", "up"]);
    await addBridge();
    return new Lab();
  }

  /** Adds a host on the bridge; one that is not plugged in has its addresses, and hears and says nothing. */
  async add(name: string, { isPluggedIn = true } = {}): Promise<LabHost> {
    const host = await this.#add(name, "99");
    await run(["ip", "link", "set", name, "master", BRIDGE]);
    if (isPluggedIn) await plugIn(host.namespace);
    return host;
  }

  /** Adds a host on a network of its own, which this one routes for. */
  async addRemote(name: string): Promise<LabHost> {
    const host = await this.#add(name, "98");
    await addAddresses(run, name, "10.98.0.1/24", "fd98::1/64");
    await plugIn(host.namespace);
    await host.namespace.run(
      "ip",
      "route",
      "add",
      "default",
      "via",
      "10.98.0.1",
    );
    await host.namespace.run(
      "ip",
      "-6",
      "route",
      "add",
      "default",
      "via",
      "fd98::1",
    );
    return host;
  }

  async #add(name: string, network: string): Promise<LabHost> {
    const namespace = this.#end.use(await Namespace.start(name));
    const number = String(++this.#hosts).padStart(2, "0");
    const host = {
      namespace,
      mac: `52:54:00:00:${network}:${number}`,
      ipv4: `10.${network}.0.${this.#hosts}`,
      ipv6: `fd${network}::${this.#hosts}`,
    };
    await addAddresses(
      (command) => namespace.run(...command),
      "eth0",
      `${host.ipv4}/24`,
      `${host.ipv6}/64`,
    );
    await namespace.run("ip", "link", "set", "eth0", "address", host.mac);
    return host;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end.disposeAsync();
  }
}

/** The bridge without a port, as it is made: its MAC address is one of its ports' once it has any. */
export async function addBridge(): Promise<void> {
  await run(["ip", "link", "add", BRIDGE, "type", "bridge"]);
  await addAddresses(run, BRIDGE, "10.99.0.1/24", "fd99::1/64");
  await run(["ip", "link", "set", BRIDGE, "up"]);
}

/** The way back to the remote host, for what is on the bridge. */
export async function addDefaultRoute(
  { namespace }: LabHost,
): Promise<void> {
  await namespace.run("ip", "route", "add", "default", "via", "10.99.0.1");
  await namespace.run("ip", "-6", "route", "add", "default", "via", "fd99::1");
}

/** Addresses that count at once: nobody else can have them. */
async function addAddresses(
  run: (command: string[]) => Promise<unknown>,
  device: string,
  ipv4: string,
  ipv6: string,
): Promise<void> {
  await run([
    "sh",
    "-c",
    `echo 0 >/proc/sys/net/ipv6/conf/${device}/accept_dad`,
  ]);
  await run(["ip", "address", "add", ipv4, "dev", device]);
  await run(["ip", "address", "add", ipv6, "dev", device]);
}
