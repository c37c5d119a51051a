/**
 * A libvirtd of the test's own with real QEMU guests on a bridge of its own. Works in the sandbox (sandbox.ts) only,
 * where `qemu:///system` is this libvirtd and the guests are reached at their addresses.
 *
 * @module
 */
import { until } from "../../until.ts";
import { guestImage, type Image } from "./image.ts";
import { run } from "../../run.ts";
import { SANDBOX } from "./sandbox.ts";

/** Whether the rig can be started here. */
export const inSandbox = Deno.env.get(SANDBOX) !== undefined;
if (!inSandbox) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log(
    "skipped: tests with QEMU guests run apart, as root: deno task test:qemu",
  );
}

export const QEMU_URI = "qemu:///system";

export const BRIDGE = "br-jitsu";
const NETWORK = "10.77.0";
const NETWORK6 = "fd77:";

const QEMU_CONF = `
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
`;

/** A defined domain, which is off until somebody starts it. */
export interface Guest {
  name: string;
  uuid: string;
  /** Where it serves HTTP on port 80 some seconds after its start; the page is the id of its boot. */
  ip: string;
  ipv6: string;
  mac: string;
}

function guest(number: number): Guest {
  const byte = number.toString(16).padStart(2, "0");
  return {
    name: `guest${number}`,
    uuid: crypto.randomUUID(),
    ip: `${NETWORK}.${100 + number}`,
    ipv6: `${NETWORK6}:${100 + number}`,
    mac: `52:54:00:00:77:${byte}`,
  };
}

function domainXml(
  { name, uuid, ip, ipv6, mac }: Guest,
  { kernel, initramfs }: Image,
): string {
  return `<domain type='qemu'>
  <name>${name}</name>
  <uuid>${uuid}</uuid>
  <memory unit='MiB'>96</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${kernel}</kernel>
    <initrd>${initramfs}</initrd>
    <cmdline>console=ttyS0 quiet mitigations=off panic=-1 jitsu.ip=${ip}/24,${ipv6}/64</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>destroy</on_reboot>
  <devices>
    <interface type='bridge'>
      <mac address='${mac}'/>
      <source bridge='${BRIDGE}'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    <serial type='file'><source path='${consoleLog(name)}'/></serial>
    <serial type='file'><source path='${readyFile(name)}'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>`;
}

const LIBVIRTD_LOG = "/var/log/libvirt/libvirtd.log";

function consoleLog(name: string): string {
  return `/var/log/libvirt/${name}.console`;
}

/** What a guest has something in since it listens and is on the network; there is none before its first boot. */
export function readyFile(name: string): string {
  return `/var/log/libvirt/${name}.ready`;
}

/** libvirtd, the bridge and the guests. Its end destroys and undefines the guests. */
export class QemuRig implements AsyncDisposable {
  readonly guests: readonly Guest[];
  readonly #end = new AsyncDisposableStack();
  #libvirtd?: Deno.ChildProcess;

  private constructor(guests: number) {
    this.guests = Array.from({ length: guests }, (_, i) => guest(i));
  }

  static async start({ guests }: { guests: number }): Promise<QemuRig> {
    const rig = new QemuRig(guests);
    try {
      await rig.#start();
      return rig;
    } catch (error) {
      const log = await rig.log();
      await rig[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}\n${log}`);
    }
  }

  async #start(): Promise<void> {
    await Deno.writeTextFile("/etc/libvirt/qemu.conf", QEMU_CONF);
    await run(["ip", "link", "add", BRIDGE, "type", "bridge"]);
    this.#end.defer(async () => {
      await run(["ip", "link", "delete", BRIDGE]);
    });
    await run(["ip", "address", "add", `${NETWORK}.1/24`, "dev", BRIDGE]);
    await run([
      ...["ip", "address", "add", `${NETWORK6}:1/64`, "dev", BRIDGE, "nodad"],
    ]);
    await run(["ip", "link", "set", BRIDGE, "up"]);
    this.#end.defer(async () => {
      this.#libvirtd?.kill("SIGTERM");
      await this.#libvirtd?.status;
    });
    await this.startLibvirtd();
    const image = await guestImage();
    for (const each of this.guests) {
      const file = await Deno.makeTempFile({ suffix: ".xml" });
      await Deno.writeTextFile(file, domainXml(each, image));
      await this.virsh("define", file);
      await Deno.remove(file);
      this.#end.defer(() => this.#remove(each));
    }
  }

  async #remove({ name }: Guest): Promise<void> {
    // A test that failed may have left libvirtd dead, and the next rig wants the same names.
    if (this.#libvirtd === undefined) await this.startLibvirtd();
    await this.virsh("destroy", name).catch(() => {}); // it may be off
    await this.virsh("undefine", "--managed-save", name);
    // Who waits for the next guest of that name is not to take it for ready.
    await Deno.remove(readyFile(name)).catch(() => {}); // one that never ran has none
  }

  /** What virsh prints for that command. Rejects with what it says when it fails. */
  virsh(...args: string[]): Promise<string> {
    return run(["virsh", "-q", "-c", QEMU_URI, ...args]);
  }

  /** Starts libvirtd, on a host of that name if one is given; resolves when it serves. */
  async startLibvirtd(host?: string): Promise<void> {
    const [program, ...args] = [
      ...host === undefined ? [] : ["unshare", "--uts"],
      ...["sh", "-c"],
      `${
        host === undefined ? "" : `hostname ${host};`
      } exec libvirtd >>${LIBVIRTD_LOG} 2>&1`,
    ];
    this.#libvirtd = new Deno.Command(program, { args }).spawn();
    await until(
      "libvirtd serves",
      () => this.virsh("list").then(() => true, () => false),
    );
  }

  /** Kills libvirtd, as if it had crashed. Guests go on running. */
  async killLibvirtd(): Promise<void> {
    this.#libvirtd?.kill("SIGKILL");
    await this.#libvirtd?.status;
    this.#libvirtd = undefined;
  }

  /** Lets libvirtd hang, or go on: `STOP` or `CONT`. */
  signalLibvirtd(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#libvirtd?.kill(signal);
  }

  /** The last that libvirtd and the guests said, for the message of a test that fails. */
  async log(): Promise<string> {
    const files = [
      LIBVIRTD_LOG,
      ...this.guests.map(({ name }) => consoleLog(name)),
    ];
    const texts = await Promise.all(files.map(async (file) => {
      const text = await Deno.readTextFile(file).catch(() => "");
      return [`${file}:`, ...text.trim().split("\n").slice(-20)].join("\n  ");
    }));
    return texts.join("\n");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end.disposeAsync();
  }
}
