/**
 * The values of the libxl backend's keys. Light: `--help` loads this.
 *
 * @module
 */
import { ValueError } from "../../values/readers.ts";

/** Seconds that a hotplug script may take: more than any needs, also on a host that is busy. */
export const DEFAULT_SCRIPT_TIMEOUT = 30;

/** The hotplug script of Jitsu's own, as the key `script` names it. */
export const FAST_SCRIPT = "fast";

/** The units of virsh(1): a letter alone, or with iB, is a power of 1024. */
const KIB: Record<string, number> = {
  "": 1,
  k: 1,
  m: 1024,
  g: 1024 ** 2,
  t: 1024 ** 3,
};
const KB = 1000 / 1024;

/** A size of memory in KiB, rounded down. A bare number is KiB. */
export function readMemory(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(?:([kmgt])(i?b)?)?$/i.exec(text);
  const [, number = "", letter = "", suffix = ""] = match ?? [];
  const unit = KIB[letter.toLowerCase()];
  // kB, MB and GB are powers of 1000.
  const decimal = suffix.toLowerCase() === "b"
    ? KB ** (Math.log2(unit) / 10 + 1)
    : 1;
  const size = Math.floor(Number(number) * unit * decimal);
  if (size > 0 && Number.isSafeInteger(size)) return size;
  throw new ValueError("a size: a number of KiB, or one with KiB, MiB or GiB");
}

/** The types of guests (`libxl_domain_type`). */
export const TYPES = ["pv", "pvh", "hvm"] as const;
export type GuestType = typeof TYPES[number];

/** What becomes of a domain that crashed or asks to be rebooted (`libxl_action_on_shutdown`, those we can do). */
export const ACTIONS = ["destroy", "restart", "preserve"] as const;
export type Action = typeof ACTIONS[number];

/** The formats of disk images (`libxl_disk_format`). */
const DISK_FORMATS = ["raw", "qcow", "qcow2", "qed", "vhd"] as const;

/** A disk as the guest gets it. */
export interface Disk {
  /** The file or block device, as it was written. */
  file: string;
  /** Its name in the guest, e.g. `xvda`. */
  vdev: string;
  format: typeof DISK_FORMATS[number];
  readOnly: boolean;
}

/** `FILE@DEVICE[:FORMAT][:ro|:rw]`. */
export function readDisk(text: string): Disk {
  const [, file, vdev, options] =
    /^(.+)@([a-z]+[a-z0-9]*)((?::[a-z0-9]+)*)$/.exec(text) ?? [];
  if (file === undefined) throw notDisk();
  const disk: Disk = { file, vdev, format: "raw", readOnly: false };
  for (const option of options.split(":").slice(1)) {
    const format = DISK_FORMATS.find((each) => each === option);
    if (format !== undefined) disk.format = format;
    else if (option === "ro" || option === "rw") {
      disk.readOnly = option === "ro";
    } else throw notDisk();
  }
  return disk;
}

function notDisk(): ValueError {
  const formats = DISK_FORMATS.join(", :");
  return new ValueError(
    `FILE@DEVICE, such as data.img@xvda, and where needed :${formats} or :ro`,
  );
}

/** The MAC address of one network interface, not of a group; in lower case. */
export function readMac(text: string): string {
  const mac = text.toLowerCase();
  if (/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac)) return mac;
  throw new ValueError("six pairs of hex digits with colons");
}
