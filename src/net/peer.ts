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

/** Whether 16 octets are an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2). */
export function isMapped(octets: Uint8Array): boolean {
  for (let i = 0; i < MAPPED.length; i++) {
    if (octets[i] !== MAPPED[i]) return false;
  }
  return true;
}

/** A peer that can be kept. */
export class KnownPeer implements Peer {
  readonly hostname: string;
  readonly port: number;
  #octets: Uint8Array | undefined;

  /** What is known of it; the octets need not be. */
  constructor(
    { hostname, port, octets }: Omit<Peer, "octets"> & Partial<Peer>,
  ) {
    this.hostname = hostname;
    this.port = port;
    this.#octets = octets?.slice();
  }

  get octets(): Uint8Array {
    return this.#octets ??= this.#parse();
  }

  #parse(): Uint8Array {
    const octets = parseAddress(this.hostname) ?? new Uint8Array(4);
    return octets.length === 16 && isMapped(octets) ? octets.slice(12) : octets;
  }
}

/** `192.0.2.1#5353`, as dig writes it. */
export function peerName({ octets, port }: Peer): string {
  return `${formatAddress(octets)}#${port}`;
}
