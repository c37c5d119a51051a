/**
 * The libxl backend as the command line knows it. Nothing of libxl is loaded before it is opened.
 *
 * @module
 */
import { controlDomainProblem } from "../../xen/control_domain.ts";
import type { BackendDescription } from "../backend.ts";
import {
  ACTIONS,
  DEFAULT_SCRIPT_TIMEOUT,
  DISK_SYNTAX,
  isMac,
  MAC_SYNTAX,
  MEMORY_SYNTAX,
  parseDisk,
  parseMemory,
  SAVE_DIR,
  TYPES,
} from "./values.ts";

function oneOf(
  choices: readonly string[],
): (value: string) => string | undefined {
  return (value) => choices.includes(value) ? undefined : choices.join(" or ");
}

/** `-x libxl`: Xen domains that Jitsu makes itself. */
export const LIBXL: BackendDescription = {
  name: "libxl",
  doc:
    "Makes Xen domains with libxl, as xl(1) does. Jitsu runs in dom0 as root; there is no toolstack beside it.",
  keys: [
    {
      name: "kernel",
      required: true,
      doc: "The file of the unikernel, or of another kernel for Xen.",
    },
    {
      name: "memory",
      required: true,
      doc:
        "How much memory the domain has, in KiB unless it has a unit, as in 64MiB.",
      expected: (value) =>
        parseMemory(value) === undefined ? MEMORY_SYNTAX : undefined,
    },
    { name: "cmdline", doc: "The kernel's command line." },
    { name: "ramdisk", doc: "The file of an initial RAM disk." },
    {
      name: "vcpus",
      doc: "How many virtual processors it has. Default: 1.",
      expected: (value) =>
        /^[1-9]\d{0,2}$/.test(value) ? undefined : "a number from 1 to 999",
    },
    {
      name: "type",
      doc:
        "pv, pvh or hvm, which the kernel must be made for; hvm needs Xen's QEMU in dom0, Debian's package qemu-system-xen. " +
        "Default: pv on x86, pvh on ARM.",
      expected: oneOf(TYPES),
    },
    {
      name: "nic",
      repeatable: true,
      doc: "A bridge of dom0, such as br0, to connect a network interface to.",
    },
    {
      name: "mac",
      repeatable: true,
      doc:
        "The MAC address of a network interface, the first for the first `nic` and so on. Default: one that is made of " +
        "the domain's UUID and does not change from one start to the next.",
      expected: (value) => isMac(value) ? undefined : MAC_SYNTAX,
    },
    {
      name: "script",
      repeatable: true,
      doc:
        "The hotplug script that connects network interfaces to their bridges: a path, or the name of one in " +
        "/etc/xen/scripts, or `fast` for Jitsu's own, which does that and nothing else. Several scripts are given to the " +
        "interfaces in turn. Default: vif-bridge.",
    },
    {
      name: "script_timeout",
      doc:
        `Seconds until a hotplug script, of a network interface or of a disk, is killed, which makes the start fail. When Jitsu ends it has half a second, so that no domain is left half made. Default: ${DEFAULT_SCRIPT_TIMEOUT}.`,
      expected: (value) =>
        /^[1-9]\d{0,4}$/.test(value)
          ? undefined
          : "a number of seconds from 1 to 99999",
    },
    {
      name: "disk",
      repeatable: true,
      doc:
        "FILE@DEVICE: a file or block device of dom0, and what it is called in the domain, as in data.img@xvda. Followed " +
        "by :ro it cannot be written to, by :qcow2, :qcow, :qed or :vhd it is an image of that format instead of raw.",
      expected: (value) =>
        parseDisk(value) === undefined ? DISK_SYNTAX : undefined,
    },
    {
      name: "rumprun_config",
      doc:
        "A file with the configuration of a rumprun unikernel, as `rumprun -T` writes it.",
    },
    {
      name: "on_crash",
      doc:
        "What becomes of the domain when it has crashed: destroy; restart; or preserve, for somebody to look into. " +
        "Default: destroy.",
      expected: oneOf(ACTIONS),
    },
    {
      name: "extra_config",
      doc:
        "A JSON file with what else libxl is to know of the domain, in the form of `xl list -l`.",
    },
    {
      name: "save_dir",
      doc:
        `Where the domain is saved when it is suspended, in a file that \`xl restore\` can read too. Default: ${SAVE_DIR}.`,
    },
  ],
  capabilities: { ethernet: true, xen: () => true },
  notMachine: controlDomainProblem,
  open: async () => await (await import("./backend.ts")).openLibxl(),
};
