/**
 * Guests for the whole-program tests, and the two ways to have them: Jitsu makes their domains itself (`-x libxl`), or
 * they are defined in a libvirtd with its Xen driver (`-c xen:///`).
 *
 * @module
 */
import { run } from "../run.ts";
import { until } from "../until.ts";
import { domains, INITRD, LINUX, linuxCommandLine, TINY } from "./dom0.ts";

/** A PV guest. */
export interface Guest {
  name: string;
  /** Where a Linux guest serves HTTP. */
  ip: string;
  kernel: string;
  ramdisk?: string;
  cmdline: string;
  /** MiB. */
  memory: number;
  /**
   * Where it has a network interface, at `br0`: the hotplug script that puts that up. `fast` is Jitsu's with libxl, and
   * the rig's, which does as little, with libvirt.
   */
  script?: string;
}

/** A Linux guest with a network interface. It sets `data/ready` when it serves HTTP. */
export function linuxGuest(number: number): Guest {
  const ip = `10.77.0.${10 + number}`;
  return {
    name: `linux${number}`,
    ip,
    kernel: LINUX,
    ramdisk: INITRD,
    cmdline: linuxCommandLine(ip),
    memory: 96,
    script: "fast",
  };
}

/** A guest that sets `data/ready` at once and serves nothing. It is deaf to being asked to shut down. */
export function tinyGuest(number: number): Guest {
  return {
    name: `tiny${number}`,
    ip: `10.77.0.${100 + number}`,
    kernel: TINY,
    cmdline: "k",
    memory: 4,
  };
}

/** What manages the domains. */
export interface Toolstack {
  /** The options of Jitsu that choose it. */
  options: string;
  /** The key that makes `mode=suspend` save to a file. */
  suspendToFile: string[];
  /** Gets ready to run guests; what this resolves with ends that. */
  start(guests: readonly Guest[]): Promise<AsyncDisposable>;
  /** The keys of a CONFIG that say which guest it is. */
  keys(guest: Guest): string[];
}

/** Ends the domains of these guests, however they have been made. */
async function destroyAll(guests: readonly Guest[]): Promise<void> {
  const there = await domains();
  await Promise.all(
    guests.filter(({ name }) => there.has(name)).map(({ name }) =>
      run(["xl", "destroy", name]).catch(() => {}) // it may be off by now
    ),
  );
}

/** On an emulated host that is busy, Xen's scripts for disks and interfaces take that long. */
const SCRIPT_TIMEOUT = "script_timeout=40";

export const LIBXL: Toolstack = {
  options: "--backend=libxl",
  suspendToFile: [],
  start(guests) {
    const end = new AsyncDisposableStack();
    end.defer(() => destroyAll(guests));
    return Promise.resolve(end);
  },
  keys({ name, kernel, ramdisk, cmdline, memory, script }) {
    return [
      `name=${name}`,
      `kernel=${kernel}`,
      ...ramdisk === undefined ? [] : [`ramdisk=${ramdisk}`],
      ...script === undefined
        ? []
        : ["nic=br0", `script=${script}`, SCRIPT_TIMEOUT],
      `cmdline=${cmdline}`,
      `memory=${memory}MiB`,
    ];
  },
};

const URI = "xen:///";

export const LIBVIRT: Toolstack = {
  options: `--connect=${URI}`,
  suspendToFile: ["suspend=disk"],
  async start(guests) {
    await using end = new AsyncDisposableStack();
    const libvirtd = new Deno.Command("libvirtd", { stderr: "null" }).spawn();
    end.defer(async () => {
      libvirtd.kill("SIGTERM");
      await libvirtd.status;
    });
    await until(
      "libvirtd serves",
      () => virsh("list").then(() => true, () => false),
    );
    const folder = await Deno.makeTempDir();
    end.defer(() => Deno.remove(folder, { recursive: true }));
    for (const guest of guests) {
      await Deno.writeTextFile(`${folder}/${guest.name}`, domainXml(guest));
    }
    await virsh(...guests.map(({ name }) => `define ${folder}/${name}`));
    end.defer(async () => {
      await virsh(
        ...guests.map(({ name }) => `destroy ${name}`), // it may be off
        ...guests.map(({ name }) => `undefine --managed-save ${name}`),
      );
    });
    return end.move();
  },
  keys: ({ name }) => [`name=${name}`],
};

/**
 * Runs commands of virsh's, all of them whether they fail or not; rejects where the last one does. They share one virsh,
 * which takes longer to start than they do.
 */
function virsh(...commands: string[]): Promise<string> {
  return run(["virsh", "-q", "-c", URI, commands.join("; ")]);
}

function domainXml(
  { name, kernel, ramdisk, cmdline, memory, script }: Guest,
): string {
  return `<domain type='xen'>
  <name>${name}</name>
  <memory unit='MiB'>${memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenpv'>linux</type>
    <kernel>${kernel}</kernel>
    ${ramdisk === undefined ? "" : `<initrd>${ramdisk}</initrd>`}
    <cmdline>${cmdline}</cmdline>
  </os>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    ${
    script === undefined
      ? ""
      : `<interface type='bridge'><source bridge='br0'/><script path='${
        script === "fast" ? "vif-quick" : script
      }'/></interface>`
  }
  </devices>
</domain>`;
}

/** The id of a Linux guest's boot, from its web page. Rejects where that is not served at once. */
export async function bootId({ ip }: { ip: string }): Promise<string> {
  const page = await fetchText(`http://${ip}/`);
  const [, id] = /boot (\S+)/.exec(page) ?? [];
  if (id === undefined) throw new Error(`no boot id in ${page}`);
  return id;
}

/** What is served at that URL. Rejects where it is not served, in one attempt, with status 200. */
export async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(60_000) });
  const text = await response.text();
  if (response.status !== 200) {
    throw new Error(`${url}: HTTP status ${response.status}`);
  }
  return text;
}
