/**
 * Packets in batches: recvmmsg(2) and sendmmsg(2) on a socket that Deno has open.
 *
 * Deno's own receive and send cost more than the answer to a query. So once Deno has received one packet, whatever
 * else waits in the kernel is taken and answered with two system calls for up to {@linkcode BATCH} packets. Nothing
 * here blocks, and nothing depends on it: without it the same packets come one by one.
 *
 * The layouts are those of 64-bit Linux, glibc and musl alike: `struct mmsghdr` in recvmmsg(2), `struct msghdr` and
 * `struct iovec` in recvmsg(2), `struct sockaddr_in` in ip(7), `struct sockaddr_in6` in ipv6(7).
 *
 * @module
 */
import { LIBC } from "../ffi/libc.ts";
import { openLibrary } from "../ffi/library.ts";
import { MAX_UDP_PAYLOAD } from "./constants.ts";
import { formatAddress } from "./address.ts";
import { type Peer, unmapped } from "./peer.ts";

/** The most packets taken at a time. */
export const BATCH = 64;
/** Room for a query. A larger one is cut, which makes it malformed. */
const QUERY_SIZE = 4096;

const SYMBOLS = {
  /** int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen) */
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen) */
  getsockopt: {
    parameters: ["i32", "i32", "i32", "buffer", "buffer"],
    result: "i32",
  },
  /** int recvmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout) */
  recvmmsg: {
    parameters: ["i32", "buffer", "u32", "i32", "pointer"],
    result: "i32",
  },
  /** int sendmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags) */
  sendmmsg: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const MSG_DONTWAIT = 0x40;
const AF_INET = 2, AF_INET6 = 10;
const SOL_SOCKET = 1, SO_TYPE = 3, SOCK_DGRAM = 2;

/** Sizes and offsets, in octets. */
const MMSGHDR = {
  size: 64,
  name: 0,
  namelen: 8,
  iov: 16,
  iovlen: 24,
  len: 56,
};
const IOVEC = { size: 16, base: 0, len: 8 };
/** Room for a `struct sockaddr_in6`, the larger one: 28 octets. */
const SOCKADDR_SIZE = 32;

/** Answers the query in `packet` into `out` and returns the response's length, or 0 for none. */
export type Handler = (
  packet: Uint8Array,
  out: Uint8Array<ArrayBuffer>,
  peer: BatchPeer,
) => number;

/** Who sent a packet of a batch: read from the packet's slot when asked, and only good until the next packet. */
export class BatchPeer implements Peer {
  readonly #sockaddrs: Uint8Array;
  at = 0;

  constructor(sockaddrs: Uint8Array) {
    this.#sockaddrs = sockaddrs;
  }

  /** The address in text form. */
  get hostname(): string {
    const isV4 = this.#sockaddrs[this.at] === AF_INET;
    const start = this.at + (isV4 ? 4 : 8);
    return formatAddress(
      this.#sockaddrs.subarray(start, start + (isV4 ? 4 : 16)),
    );
  }

  get octets(): Uint8Array {
    const isV4 = this.#sockaddrs[this.at] === AF_INET;
    const start = this.at + (isV4 ? 4 : 8);
    return unmapped(
      this.#sockaddrs.subarray(start, start + (isV4 ? 4 : 16)),
    );
  }

  get port(): number {
    return this.#sockaddrs[this.at + 2] << 8 | this.#sockaddrs[this.at + 3];
  }
}

/** Batches on one socket. */
export class UdpBatch {
  readonly #fd: number;
  readonly #libc: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
  // What C has the addresses of must stay where it is and alive: these fields hold it.
  readonly #queries = new Uint8Array(BATCH * QUERY_SIZE);
  readonly #responses = new Uint8Array(BATCH * MAX_UDP_PAYLOAD);
  readonly #sockaddrs = new Uint8Array(BATCH * SOCKADDR_SIZE);
  readonly #queryIovs = new DataView(new ArrayBuffer(BATCH * IOVEC.size));
  readonly #responseIovs = new DataView(new ArrayBuffer(BATCH * IOVEC.size));
  readonly #received = new DataView(new ArrayBuffer(BATCH * MMSGHDR.size));
  readonly #sending = new DataView(new ArrayBuffer(BATCH * MMSGHDR.size));
  readonly #querySlots: Uint8Array[];
  readonly #responseSlots: Uint8Array<ArrayBuffer>[];
  readonly #peer = new BatchPeer(this.#sockaddrs);
  /** Addresses of each slot's `struct sockaddr` and of its response's `struct iovec`. */
  readonly #sockaddrAt: bigint[];
  readonly #responseIovAt: bigint[];

  /**
   * Finds the socket behind Deno's and gets ready.
   * Throws an Error that says why batches cannot be had: no libc, not Linux, or the socket is not found.
   */
  constructor(address: Deno.NetAddr) {
    this.#libc = openLibrary(LIBC, SYMBOLS).symbols;
    this.#fd = this.#findSocket(address);
    const slots = (octets: Uint8Array<ArrayBuffer>, size: number) =>
      Array.from(
        { length: BATCH },
        (_, i) => octets.subarray(i * size, (i + 1) * size),
      );
    this.#querySlots = slots(this.#queries, QUERY_SIZE);
    this.#responseSlots = slots(this.#responses, MAX_UDP_PAYLOAD);
    const queries = addressOf(this.#queries);
    const responses = addressOf(this.#responses);
    const sockaddrs = addressOf(this.#sockaddrs);
    const queryIovs = addressOf(this.#queryIovs);
    for (let i = 0; i < BATCH; i++) {
      const iov = i * IOVEC.size, header = i * MMSGHDR.size;
      set(this.#queryIovs, iov + IOVEC.base, queries, i * QUERY_SIZE);
      set(this.#queryIovs, iov + IOVEC.len, 0n, QUERY_SIZE);
      set(this.#responseIovs, iov + IOVEC.base, responses, i * MAX_UDP_PAYLOAD);
      set(this.#received, header + MMSGHDR.name, sockaddrs, i * SOCKADDR_SIZE);
      set(this.#received, header + MMSGHDR.iov, queryIovs, iov);
      set(this.#received, header + MMSGHDR.iovlen, 0n, 1);
      set(this.#sending, header + MMSGHDR.iovlen, 0n, 1);
    }
    const each = (base: bigint, size: number) =>
      Array.from({ length: BATCH }, (_, i) => base + BigInt(i * size));
    this.#sockaddrAt = each(sockaddrs, SOCKADDR_SIZE);
    this.#responseIovAt = each(addressOf(this.#responseIovs), IOVEC.size);
  }

  /** Takes what waits in the kernel, at most one batch, answers it, and returns how many packets that were. */
  run(handle: Handler): number {
    for (let i = 0; i < BATCH; i++) {
      this.#received.setUint32(
        i * MMSGHDR.size + MMSGHDR.namelen,
        SOCKADDR_SIZE,
        true,
      );
    }
    const count = this.#libc.recvmmsg(
      this.#fd,
      this.#received,
      BATCH,
      MSG_DONTWAIT,
      null,
    );
    let responses = 0;
    for (let i = 0; i < count; i++) {
      const header = i * MMSGHDR.size;
      const length = this.#received.getUint32(header + MMSGHDR.len, true);
      this.#peer.at = i * SOCKADDR_SIZE;
      const size = handle(
        this.#querySlots[i].subarray(0, length),
        this.#responseSlots[i],
        this.#peer,
      );
      if (size > 0) this.#queue(responses++, i, size);
    }
    this.#send(responses);
    return Math.max(0, count);
  }

  /** Makes the response in slot `i` the next to be sent, to who sent the query in slot `i`. */
  #queue(next: number, i: number, size: number): void {
    const header = next * MMSGHDR.size;
    this.#sending.setBigUint64(
      header + MMSGHDR.name,
      this.#sockaddrAt[i],
      true,
    );
    this.#sending.setUint32(
      header + MMSGHDR.namelen,
      this.#received.getUint32(i * MMSGHDR.size + MMSGHDR.namelen, true),
      true,
    );
    this.#sending.setBigUint64(
      header + MMSGHDR.iov,
      this.#responseIovAt[i],
      true,
    );
    this.#responseIovs.setUint32(i * IOVEC.size + IOVEC.len, size, true);
  }

  #send(count: number): void {
    for (let sent = 0; sent < count;) {
      const headers = new Uint8Array(
        this.#sending.buffer,
        sent * MMSGHDR.size,
      );
      const taken = this.#libc.sendmmsg(
        this.#fd,
        headers,
        count - sent,
        MSG_DONTWAIT,
      );
      // The first of them cannot be sent: a full socket buffer, or a client out of reach. It will ask again.
      sent += Math.max(1, taken);
    }
  }

  /** The file descriptor of Deno's socket, which Deno does not tell: the UDP socket bound to that address. */
  #findSocket({ hostname, port }: Deno.NetAddr): number {
    const sockaddr = new Uint8Array(SOCKADDR_SIZE), length = new Uint32Array(1);
    const peer = new BatchPeer(sockaddr);
    for (const { name } of Deno.readDirSync("/proc/self/fd")) {
      let target: string;
      try {
        target = Deno.readLinkSync(`/proc/self/fd/${name}`);
      } catch {
        continue; // it was the directory's own, and is closed again
      }
      if (!target.startsWith("socket:")) continue;
      length[0] = SOCKADDR_SIZE;
      if (this.#libc.getsockname(Number(name), sockaddr, length) !== 0) {
        continue;
      }
      if (sockaddr[0] !== AF_INET && sockaddr[0] !== AF_INET6) continue;
      if (peer.port !== port || peer.hostname !== hostname) continue;
      const type = new Uint32Array(1);
      length[0] = type.byteLength;
      const fd = Number(name);
      this.#libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, type, length);
      if (type[0] === SOCK_DGRAM) return fd;
    }
    throw new Error(`the socket bound to ${hostname}#${port} is not found`);
  }
}

function addressOf(memory: BufferSource): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
}

/** Writes a 64-bit word. */
function set(view: DataView, at: number, base: bigint, offset: number): void {
  view.setBigUint64(at, base + BigInt(offset), true);
}
