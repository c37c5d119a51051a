/**
 * The libvirt backend as the command line knows it. Nothing of libvirt is loaded before it is opened.
 *
 * @module
 */
import { controlDomainProblem } from "../../xen/control_domain.ts";
import type { ValuesOf } from "../../values/key.ts";
import { readChoice } from "../../values/readers.ts";
import type { BackendDescription, BackendKey } from "../backend.ts";
import { isLocalXen, showUri } from "./uri.ts";

const KEYS = [
  {
    name: "suspend",
    read: readChoice(["memory", "disk"]),
    absent: "memory",
    doc:
      "Where mode=suspend keeps the domain: memory pauses it, disk saves it with libvirt's managed save and frees its memory.",
  },
  {
    name: "restore_fails",
    read: readChoice(["keep", "boot"]),
    absent: "keep",
    doc:
      "What happens to a managed save that cannot be restored: keep leaves it for you to look at, boot drops it and boots the domain afresh, unless the reason may pass, as a lack of memory does.",
  },
] as const satisfies readonly BackendKey[];
export type LibvirtKeys = ValuesOf<typeof KEYS>;

export const LIBVIRT: BackendDescription = {
  name: "libvirt",
  doc:
    "Domains that libvirt manages, by name or uuid; --connect is any libvirt connection URI, such as xen:///system, qemu:///system, test:///default or qemu+ssh://root@host/system.",
  keys: KEYS,
  capabilities: {
    ethernet: true,
    xen: (connect) =>
      isLocalXen(connect) ||
      `its domains are guests of the Xen host that Jitsu runs on with --connect xen:/// only, not with ${
        showUri(connect)
      }`,
  },
  notMachine: controlDomainProblem,
  open: async (options) =>
    await (await import("./backend.ts")).openLibvirt(options),
};
