/**
 * Addresses that mean something else in every house.
 *
 * @module
 */
import { isInNetwork, type Network, parseNetwork } from "./network.ts";

const networks = (...texts: string[]): Network[] =>
  texts.map((text) => parseNetwork(text)!);

/**
 * This host ("this network" of RFC 1122 section 3.2.1.3 among it, by which Linux reaches itself too), RFC 1918,
 * RFC 3927, RFC 4193, RFC 4291 sections 2.5.2, 2.5.3 and 2.5.6.
 */
const PRIVATE = networks(
  "0.0.0.0/8",
  "10.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "::/127",
  "fc00::/7",
  "fe80::/10",
);

/**
 * Networks that have an IPv4 address in their addresses, and at which octet: IPv4-compatible and IPv4-mapped ones (RFC
 * 4291 section 2.5.5), NAT64 (RFC 6052), 6to4 (RFC 3056).
 */
const EMBEDDING: [Network, number][] = [
  [parseNetwork("::/96")!, 12],
  [parseNetwork("::ffff:0:0/96")!, 12],
  [parseNetwork("64:ff9b::/96")!, 12],
  [parseNetwork("2002::/16")!, 2],
];

/** Whether an address of 4 or 16 octets leads no further than into the house of whoever uses it. */
export function isPrivate(address: Uint8Array): boolean {
  if (PRIVATE.some((network) => isInNetwork(address, network))) return true;
  const embedded = EMBEDDING.find(([network]) => isInNetwork(address, network));
  return embedded !== undefined &&
    isPrivate(address.subarray(embedded[1], embedded[1] + 4));
}
