/**
 * What queries come by and responses go by.
 *
 * @module
 */
import type { Peer } from "../../net/peer.ts";
import type { QueryReader } from "./query.ts";

/** A UDP socket, or one connection. */
export interface Transport {
  /** What it is called in the log; empty for UDP, which goes without saying. */
  readonly label: string;
  /** Whether a client that is heard by it has shown that its address is its own. */
  readonly verified: boolean;
  /** The most octets that a response to the query may have. */
  limit(query: QueryReader): number;
  /** Sends a response that could not be given at once. Its octets are copied: they are good until this returns. */
  send(response: Uint8Array, peer: Peer): void;
}
