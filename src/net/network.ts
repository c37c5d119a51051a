/**
 * Networks in CIDR notation, and lists of them.
 *
 * @module
 */
import { formatAddress, parseAddress } from "./address.ts";

/** A network: an address, and how many of its first bits count. */
export interface Network {
  /** 4 or 16 octets. */
  octets: Uint8Array;
  bits: number;
}

/**
 * A network as people write it: `192.0.2.0/24`, `2001:db8::/32`, or an address alone for just that one.
 * Undefined when the text is none.
 */
export function parseNetwork(text: string): Network | undefined {
  const [, address, bitsText] = /^([^/]+)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
  const octets = address === undefined ? undefined : parseAddress(address);
  if (octets === undefined) return undefined;
  const bits = bitsText === undefined ? 8 * octets.length : Number(bitsText);
  return bits <= 8 * octets.length ? { octets, bits } : undefined;
}

/** The text form of a network. */
export function formatNetwork({ octets, bits }: Network): string {
  return `${formatAddress(octets)}/${bits}`;
}

/** Whether an address of 4 or 16 octets is in the network. */
export function isInNetwork(
  address: Uint8Array,
  { octets, bits }: Network,
): boolean {
  if (address.length !== octets.length) return false;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) {
    if (address[i] !== octets[i]) return false;
  }
  const rest = bits & 7;
  return rest === 0 || (address[whole] ^ octets[whole]) >> 8 - rest === 0;
}

/** The names of this host's network interfaces that are in a network with an address of 4 or 16 octets. */
export function linksOf(address: Uint8Array): string[] {
  return Deno.networkInterfaces().filter(({ cidr }) => {
    const network = parseNetwork(cidr);
    return network !== undefined && isInNetwork(address, network);
  }).map(({ name }) => name);
}
