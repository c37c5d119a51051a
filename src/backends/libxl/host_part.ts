/**
 * Domains that are parts of the host: guests depend on them, and nobody may start or stop them on demand.
 *
 * @module
 */
import { CONTROL_DOMAIN } from "../../xen/control_domain.ts";
import type { Xenstore } from "../../xen/xenstore.ts";
import type { DomainInfo } from "./domains.ts";

/**
 * What part of the host a domain is, or undefined for a guest. All of it is what guests cannot write themselves. Rejects
 * with XenstoreError.
 */
export async function hostPart(
  xenstore: Pick<Xenstore, "read" | "list">,
  { domid, never_stop }: Pick<DomainInfo, "domid" | "never_stop">,
): Promise<string | undefined> {
  if (domid === CONTROL_DOMAIN) return "Xen's control domain";
  if (never_stop) return "the domain of xenstore";
  const home = `/local/domain/${domid}`;
  const target = await xenstore.read(`${home}/target`);
  if (target !== undefined) return `the device model of domain ${target}`;
  // libxl makes the one for `driver_domain=1` (xl.cfg(5)), the toolstack the other for who gets a device from it.
  const isDriver = await xenstore.read(`${home}/libxl`) !== undefined ||
    (await xenstore.list(`${home}/backend`)).length > 0;
  return isDriver ? "a driver domain" : undefined;
}
