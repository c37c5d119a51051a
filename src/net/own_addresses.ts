/**
 * Which addresses are this host's own.
 *
 * @module
 */
import { canonicalAddress, parseAddress } from "./address.ts";
import { isInNetwork, parseNetwork } from "./network.ts";
import type { SocketAddress } from "./socket_address.ts";

/** The loopback networks (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3). */
export const LOOPBACK = [
  parseNetwork("127.0.0.0/8")!,
  parseNetwork("::1/128")!,
];

/** Such an address means something only together with an interface, which a socket here cannot be told. */
const LINK_LOCAL = parseNetwork("fe80::/10")!;

/** Whether binding to the address is binding to all of the host's. */
export function isWildcard(address: string): boolean {
  return address === "0.0.0.0" || address === "::";
}

/** The addresses of this host that a socket can be bound to, in canonical text form. */
export function ownAddresses(): string[] {
  const addresses = Deno.networkInterfaces().flatMap(({ address }) =>
    canonicalAddress(address) ?? []
  );
  return [...new Set(addresses)].filter((address) =>
    !isInNetwork(parseAddress(address)!, LINK_LOCAL)
  );
}

/** Whether what is sent to the address stays on this host, as the interfaces are now. */
export function isOwnAddress(address: string): boolean {
  const octets = parseAddress(address);
  if (octets === undefined) return false;
  return LOOPBACK.some((each) => isInNetwork(octets, each)) ||
    ownAddresses().includes(canonicalAddress(address)!);
}

/**
 * The addresses that are served where `bind` is what to bind to, as the interfaces are now: for `0.0.0.0` all IPv4
 * addresses that an interface has, for `::` those of IPv6 too. 127.0.0.53 is none of them, though the loopback
 * interface would take it: another server may have it.
 */
export function addressesOf(bind: string): string[] {
  if (!isWildcard(bind)) return [bind];
  const addresses = ownAddresses();
  return bind === "::"
    ? addresses
    : addresses.filter((address) => !address.includes(":"));
}

/** Whether what is sent to `server` comes to whoever is bound to one of these, as the interfaces are now. */
export function isBoundTo(
  bind: readonly SocketAddress[],
  server: SocketAddress,
): boolean {
  return bind.some(({ address, port }) =>
    port === server.port && addressesOf(address).includes(server.address)
  );
}
