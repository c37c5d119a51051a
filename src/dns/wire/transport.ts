/**
 * What queries come by and responses go by.
 *
 * @module
 */
import type { Peer } from "../../net/peer.ts";

/** UDP, or one TCP connection. */
export interface Transport {
  readonly name: "udp" | "tcp";
  /** Sends a response that could not be given at once. Its octets are copied: they are good until this returns. */
  send(response: Uint8Array, peer: Peer): void;
}
