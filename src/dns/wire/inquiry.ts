/**
 * One query on its way to its response: its octets, who sent it, and what its response must be like.
 *
 * @module
 */
import { KnownPeer, type Peer, peerName } from "../../net/peer.ts";
import { HEADER_SIZE, typeName } from "./constants.ts";
import { formatName } from "./name.ts";
import { QueryReader } from "./query.ts";
import type { Transport } from "./transport.ts";

/** There is one for all queries that are answered at once; those that are not have one each ({@linkcode keep}). */
export class Inquiry {
  packet: Uint8Array = new Uint8Array(0);
  readonly query: QueryReader;
  transport!: Transport;
  peer!: Peer;
  /** Whether the client has shown that its address is its own. */
  isProven = false;
  /** The most octets the response may have. */
  limit = 0;
  /** EDNS options of the response, where there are any: cookie and NSID. */
  options: Uint8Array | undefined;

  constructor(query = new QueryReader()) {
    this.query = query;
  }

  /** A copy that stays as it is. */
  keep(): Inquiry {
    const kept = new Inquiry();
    kept.packet = this.packet.slice();
    kept.query.read(kept.packet);
    kept.transport = this.transport;
    kept.peer = new KnownPeer(this.peer);
    kept.isProven = this.isProven;
    kept.limit = this.limit;
    kept.options = this.options;
    return kept;
  }

  /** The query in words, for the log. */
  toString(): string {
    const { packet, query, transport, peer } = this;
    const name = formatName(packet.slice(HEADER_SIZE, query.questionEnd - 4));
    const over = transport.label && ` over ${transport.label}`;
    return `${typeName(query.type)} ${name} from ${peerName(peer)}${over}`;
  }
}
