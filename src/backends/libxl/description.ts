/**
 * The libxl backend as the command line knows it. Nothing of libxl is loaded before it is opened.
 *
 * @module
 */
import { controlDomainProblem } from "../../xen/control_domain.ts";
import type { ValuesOf } from "../../values/key.ts";
import {
  readAnyText,
  readChoice,
  readInteger,
  readText,
} from "../../values/readers.ts";
import type { BackendDescription, BackendKey } from "../backend.ts";
import {
  ACTIONS,
  DEFAULT_SCRIPT_TIMEOUT,
  readDisk,
  readMac,
  readMemory,
  TYPES,
} from "./values.ts";

const KEYS = [
  {
    name: "kernel",
    read: readText,
    required: true,
    doc: "The file of the unikernel, or of another kernel for Xen.",
  },
  {
    name: "memory",
    read: readMemory,
    required: true,
    doc:
      "How much memory the domain has, in KiB unless it has a unit, as in 64MiB.",
  },
  {
    name: "cmdline",
    read: readAnyText,
    doc: "The kernel's command line.",
  },
  {
    name: "ramdisk",
    read: readText,
    doc: "The file of an initial RAM disk.",
  },
  {
    name: "vcpus",
    read: readInteger(1, 999, "a number"),
    doc: "How many virtual processors it has. Default: 1.",
  },
  {
    name: "type",
    read: readChoice(TYPES),
    doc:
      "pv, pvh or hvm, which the kernel must be made for; hvm needs Xen's QEMU in dom0, Debian's package qemu-system-xen. " +
      "Default: pv on x86, pvh on ARM.",
  },
  {
    name: "nic",
    read: readText,
    repeatable: true,
    doc: "A bridge of dom0, such as br0, to connect a network interface to.",
  },
  {
    name: "mac",
    read: readMac,
    repeatable: true,
    doc:
      "The MAC address of a network interface, the first for the first `nic` and so on. Default: one that is made of " +
      "the domain's UUID and does not change from one start to the next.",
  },
  {
    name: "script",
    read: readText,
    repeatable: true,
    doc:
      "The hotplug script that connects network interfaces to their bridges: a path, or the name of one in " +
      "/etc/xen/scripts, or `fast` for Jitsu's own, which does that and nothing else. Several scripts are given to the " +
      "interfaces in turn. Default: vif-bridge.",
  },
  {
    name: "script_timeout",
    read: readInteger(1, 99999, "a number of seconds"),
    absent: String(DEFAULT_SCRIPT_TIMEOUT),
    doc:
      "Seconds until a hotplug script, of a network interface or of a disk, is killed, which makes the start fail. When Jitsu ends it has half a second, so that no domain is left half made.",
  },
  {
    name: "disk",
    read: readDisk,
    repeatable: true,
    doc:
      "FILE@DEVICE: a file or block device of dom0, and what it is called in the domain, as in data.img@xvda. Followed " +
      "by :ro it cannot be written to, by :qcow2, :qcow, :qed or :vhd it is an image of that format instead of raw.",
  },
  {
    name: "rumprun_config",
    read: readText,
    doc:
      "A file with the configuration of a rumprun unikernel, as `rumprun -T` writes it.",
  },
  {
    name: "on_crash",
    read: readChoice(ACTIONS),
    doc:
      "What becomes of the domain when it has crashed: destroy; restart; or preserve, for somebody to look into. " +
      "Default: destroy.",
  },
  {
    name: "extra_config",
    read: readText,
    doc:
      "A JSON file with what else libxl is to know of the domain, in the form of `xl list -l`.",
  },
  {
    name: "save_dir",
    read: readText,
    absent: "/var/lib/jitsu/libxl",
    doc:
      "Where the domain is saved when it is suspended, in a file that `xl restore` can read too.",
  },
] as const satisfies readonly BackendKey[];
export type LibxlKeys = ValuesOf<typeof KEYS>;

/** `-x libxl`: Xen domains that Jitsu makes itself. */
export const LIBXL: BackendDescription = {
  name: "libxl",
  doc:
    "Makes Xen domains with libxl, as xl(1) does. Jitsu runs in dom0 as root; there is no toolstack beside it.",
  keys: KEYS,
  bridges: ({ nic }: LibxlKeys) => nic,
  capabilities: { ethernet: true, xen: () => true },
  notMachine: controlDomainProblem,
  open: async () => await (await import("./backend.ts")).openLibxl(),
};
