/**
 * Who sent a query.
 *
 * @module
 */
import { formatAddress, parseAddress } from "./address.ts";

/** A client's address and port. It may be good only until the next query is answered: what is kept must be copied. */
export interface Peer {
  /** The address as the socket has it: on a socket of both families IPv4 looks like `::ffff:c000:201`. */
  readonly hostname: string;
  readonly port: number;
  /** The address in 4 or 16 octets, the former wherever it is IPv4. */
  readonly octets: Uint8Array;
}

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** The IPv4 address in an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2); any other as it is. */
export function unmapped(octets: Uint8Array): Uint8Array {
  if (octets.length !== 16) return octets;
  for (let i = 0; i < MAPPED.length; i++) {
    if (octets[i] !== MAPPED[i]) return octets;
  }
  return octets.subarray(12);
}

/** A peer that can be kept. */
export class KnownPeer implements Peer {
  readonly hostname: string;
  readonly port: number;
  #octets: Uint8Array | undefined;

  constructor({ hostname, port }: { hostname: string; port: number }) {
    this.hostname = hostname;
    this.port = port;
  }

  get octets(): Uint8Array {
    return this.#octets ??= unmapped(
      parseAddress(this.hostname) ?? new Uint8Array(4),
    );
  }
}

/** `192.0.2.1#5353`, as dig writes it. */
export function peerName({ octets, port }: Peer): string {
  return `${formatAddress(octets)}#${port}`;
}
