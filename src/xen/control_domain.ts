/**
 * Xen's control domain, dom0: the host itself.
 *
 * @module
 */

/** Its id on every host; libvirt's other drivers give it to none. */
export const CONTROL_DOMAIN = 0;

/** What xl(1), libvirt and XAPI's dom0 call it, and its UUID where that is not the host's (`xl list -v`). */
const NAME = "Domain-0", UUID = "00000000-0000-0000-0000-000000000000";

/** Says why a machine of that name and UUID cannot be a guest, where it is dom0. */
export function controlDomainProblem(
  { name, uuid }: { name: string; uuid?: string },
): string | undefined {
  if (uuid === undefined ? name !== NAME : uuid !== UUID) return undefined;
  return `${
    uuid === undefined ? `name ${name}` : `uuid ${uuid}`
  } is Xen's control domain: that is this host itself, which is neither started nor stopped`;
}
