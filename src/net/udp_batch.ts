/**
 * Packets in batches on a socket that Deno has open.
 *
 * Deno's own receive and send cost more than the answer to a query. So once Deno has received one packet, whatever
 * else waits in the kernel is taken and answered with two system calls for up to {@linkcode BATCH} packets. Nothing
 * here blocks, and nothing depends on it: without it the same packets come one by one.
 *
 * @module
 */
import type { Libc } from "../ffi/libc.ts";
import { formatAddress } from "./address.ts";
import {
  addressIn,
  AF_INET,
  MSG_DONTWAIT,
  portIn,
  sendSlots,
  Slots,
  SOCKADDR,
} from "./mmsg.ts";
import { isMapped, type Peer } from "./peer.ts";

/** The most packets taken at a time. */
export const BATCH = 64;
/** Room for a query. A larger one is cut, which makes it malformed. */
const QUERY_SIZE = 4096;

/** Answers the query in `packet` into `out` and returns the response's length, or 0 for none. */
export type Handler = (
  packet: Uint8Array,
  out: Uint8Array<ArrayBuffer>,
  peer: BatchPeer,
) => number;

/** Who sent the packet in a slot: read when asked, and only good until the next packet. */
export class BatchPeer implements Peer {
  readonly #sockaddr: Uint8Array<ArrayBuffer>;
  // What the address may be: made once, not for every packet.
  readonly #v4: Uint8Array;
  readonly #v6: Uint8Array;
  readonly #mapped: Uint8Array;

  constructor(sockaddr: Uint8Array<ArrayBuffer>) {
    this.#sockaddr = sockaddr;
    this.#v4 = sockaddr.subarray(SOCKADDR.v4, SOCKADDR.v4 + 4);
    this.#v6 = sockaddr.subarray(SOCKADDR.v6, SOCKADDR.v6 + 16);
    this.#mapped = this.#v6.subarray(12);
  }

  /** The address in text form. */
  get hostname(): string {
    return formatAddress(addressIn(this.#sockaddr));
  }

  get octets(): Uint8Array {
    if (this.#sockaddr[SOCKADDR.family] === AF_INET) return this.#v4;
    return isMapped(this.#v6) ? this.#mapped : this.#v6;
  }

  get port(): number {
    return portIn(this.#sockaddr);
  }
}

/** Batches on one socket. */
export class UdpBatch {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #queries = new Slots(BATCH, QUERY_SIZE);
  readonly #responses: Slots;
  readonly #peers = this.#queries.sockaddrs.map((each) => new BatchPeer(each));
  /** The packet that was in each slot last: a view is made only where the next one has another length. */
  readonly #packets = [...this.#queries.packets];

  /** @param responseSize the most octets of a response */
  constructor(libc: Libc, fd: number, responseSize: number) {
    this.#libc = libc;
    this.#fd = fd;
    this.#responses = new Slots(BATCH, responseSize, this.#queries);
  }

  /** Takes what waits in the kernel, at most one batch, answers it, and returns how many packets that were. */
  run(handle: Handler): number {
    const queries = this.#queries, responses = this.#responses;
    for (let i = 0; i < BATCH; i++) queries.expectAddress(i);
    const [headers] = queries.headers;
    const count = this.#libc.recvmmsg(
      this.#fd,
      headers,
      BATCH,
      MSG_DONTWAIT,
      null,
    );
    let unsent = 0;
    for (let i = 0; i < count; i++) {
      const length = queries.received(i);
      if (this.#packets[i].length !== length) {
        this.#packets[i] = queries.packets[i].subarray(0, length);
      }
      const size = handle(
        this.#packets[i],
        responses.packets[i],
        this.#peers[i],
      );
      if (size > 0) {
        responses.toSend(i, size);
      } else {
        this.#send(unsent, i);
        unsent = i + 1;
      }
    }
    this.#send(unsent, count);
    return Math.max(0, count);
  }
  /** Responses that the kernel does not take are lost: those clients will ask again. */
  #send(first: number, end: number): void {
    sendSlots(this.#libc, this.#fd, this.#responses, first, end);
  }
}
