/**
 * An address and a port.
 *
 * @module
 */

/** Where a server is, or is to be. */
export interface SocketAddress {
  /** IPv4 or IPv6, in canonical text form. */
  address: string;
  port: number;
}

/** `127.0.0.1#53`, as dig writes it. */
export function socketName({ address, port }: SocketAddress): string {
  return `${address}#${port}`;
}
