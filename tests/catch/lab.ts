/**
 * A bridge with hosts around it, all of them network namespaces, for scenarios that run in a namespace of their own
 * (`unshare --net`), as root. This process is on the host that has the bridge, which is a router too.
 *
 * @module
 */
import { forEachLine } from "../../src/backends/process/output.ts";
import { run } from "../e2e/qemu/run.ts";
import { until } from "../until.ts";

export const BRIDGE = "br0";
const PEER = new URL("peer.ts", import.meta.url).pathname;

/** A host of the lab. */
export interface LabHost {
  name: string;
  mac: string;
  ipv4: string;
  ipv6: string;
  /** Runs a command there. Resolves with what it printed, rejects when it fails. */
  run(...command: string[]): Promise<string>;
  /** Starts a command there that ends with the lab; resolves when it has printed its first line, with those that follow. */
  spawn(...command: string[]): Promise<string[]>;
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
    await run(["ip", "link", "add", BRIDGE, "type", "bridge"]);
    await addAddresses(run, BRIDGE, "10.99.0.1/24", "fd99::1/64");
    await run(["ip", "link", "set", BRIDGE, "up"]);
    return new Lab();
  }

  /** Adds a host on the bridge; one that is not plugged in has its addresses, and hears and says nothing. */
  async add(name: string, { isPluggedIn = true } = {}): Promise<LabHost> {
    const host = await this.#add(name, "99");
    await run(["ip", "link", "set", name, "master", BRIDGE]);
    if (isPluggedIn) await plugIn(host);
    return host;
  }

  /** Adds a host on a network of its own, which this one routes for. */
  async addRemote(name: string): Promise<LabHost> {
    const host = await this.#add(name, "98");
    await addAddresses(run, name, "10.98.0.1/24", "fd98::1/64");
    await plugIn(host);
    await host.run("ip", "route", "add", "default", "via", "10.98.0.1");
    await host.run("ip", "-6", "route", "add", "default", "via", "fd98::1");
    return host;
  }

  async #add(name: string, network: string): Promise<LabHost> {
    const number = ++this.#hosts;
    const host = await this.#unshare({
      name,
      mac: `52:54:00:00:${network}:${String(number).padStart(2, "0")}`,
      ipv4: `10.${network}.0.${number}`,
      ipv6: `fd${network}::${number}`,
    });
    const { mac, ipv4, ipv6 } = host;
    await addAddresses(
      (command) => host.run(...command),
      "eth0",
      `${ipv4}/24`,
      `${ipv6}/64`,
    );
    await host.run("ip", "link", "set", "eth0", "address", mac);
    return host;
  }

  /** The host's own namespace, with a cable from its `eth0` to an interface of its name here. */
  async #unshare(
    host: Omit<LabHost, "run" | "spawn">,
  ): Promise<LabHost> {
    const { name } = host;
    const holder = this.#spawn(["unshare", "--net", "sleep", "infinity"]);
    const own = await Deno.readLink("/proc/self/ns/net");
    await until(
      `${name} has a network of its own`,
      async () => await Deno.readLink(`/proc/${holder.pid}/ns/net`) !== own,
    );
    const pid = String(holder.pid);
    await run([
      ...["ip", "link", "add", name, "type", "veth"],
      ...["peer", "name", "eth0", "netns", pid],
    ]);
    const there = ["nsenter", "--target", pid, "--net", "--"];
    return {
      ...host,
      run: (...command) => run([...there, ...command]),
      spawn: async (...command) => {
        const lines = this.#spawn([...there, ...command]).lines;
        await until(
          `${command.join(" ")}: its first line`,
          () => lines.length > 0,
        );
        lines.shift();
        return lines;
      },
    };
  }

  #spawn([program, ...args]: string[]): { pid: number; lines: string[] } {
    const child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const lines: string[] = [];
    const reading = forEachLine(
      child.stdout,
      (line) => lines.push(line),
    );
    this.#end.defer(async () => {
      child.kill("SIGKILL");
      await child.status;
      await reading;
    });
    return { pid: child.pid, lines };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end.disposeAsync();
  }
}

/** From now on it hears what is on its network, and can be heard. */
export async function plugIn({ name, run: there }: LabHost): Promise<void> {
  await run(["ip", "link", "set", name, "up"]);
  await there("ip", "link", "set", "eth0", "up");
}

/** The way back to the remote host, for what is on the bridge. */
export async function addDefaultRoute({ run: there }: LabHost): Promise<void> {
  await there("ip", "route", "add", "default", "via", "10.99.0.1");
  await there("ip", "-6", "route", "add", "default", "via", "fd99::1");
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
