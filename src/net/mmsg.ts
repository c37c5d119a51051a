/**
 * What packets in batches are made of: recvmmsg(2) and sendmmsg(2), the memory they work on, and the file descriptor of a
 * socket that Deno has open.
 *
 * The layouts are those of 64-bit Linux, glibc and musl alike: `struct mmsghdr` in recvmmsg(2), `struct msghdr` and
 * `struct iovec` in recvmsg(2), `struct sockaddr_in` in ip(7), `struct sockaddr_in6` in ipv6(7).
 *
 * @module
 */
import type { Libc } from "../ffi/libc.ts";
import { formatAddress } from "./address.ts";
import type { Peer } from "./peer.ts";

export const MSG_DONTWAIT = 0x40;
export const AF_INET = 2, AF_INET6 = 10;
const SOL_SOCKET = 1, SO_TYPE = 3, SOCK_DGRAM = 2;

/** Sizes and offsets, in octets. */
const MMSGHDR = { size: 64, name: 0, namelen: 8, iov: 16, iovlen: 24, len: 56 };
const IOVEC = { size: 16, base: 0, len: 8 };
/** Room for a `struct sockaddr_in6`, the larger one: 28 octets. Family, port and address stand at these offsets. */
export const SOCKADDR_SIZE = 32;
export const SOCKADDR = { family: 0, port: 2, v4: 4, v6: 8 };
const SOCKADDR_IN_SIZE = 16, SOCKADDR_IN6_SIZE = 28;

/** The octets of the address in a `struct sockaddr`: a view. */
export function addressIn(sockaddr: Uint8Array<ArrayBuffer>): Uint8Array {
  return sockaddr[SOCKADDR.family] === AF_INET
    ? sockaddr.subarray(SOCKADDR.v4, SOCKADDR.v4 + 4)
    : sockaddr.subarray(SOCKADDR.v6, SOCKADDR.v6 + 16);
}

/** The port in a `struct sockaddr`. */
export function portIn(sockaddr: Uint8Array): number {
  return sockaddr[SOCKADDR.port] << 8 | sockaddr[SOCKADDR.port + 1];
}

/** Writes a `struct sockaddr`; in the family of IPv6, IPv4 addresses are mapped (RFC 4291 section 2.5.5.2). */
export function setSockaddr(
  sockaddr: Uint8Array,
  { octets, port }: Peer,
  isV6: boolean,
): void {
  sockaddr.fill(0);
  sockaddr[SOCKADDR.family] = isV6 ? AF_INET6 : AF_INET;
  sockaddr[SOCKADDR.port] = port >> 8;
  sockaddr[SOCKADDR.port + 1] = port;
  if (!isV6) {
    sockaddr.set(octets, SOCKADDR.v4);
  } else if (octets.length === 16) {
    sockaddr.set(octets, SOCKADDR.v6);
  } else {
    sockaddr.fill(0xff, SOCKADDR.v6 + 10, SOCKADDR.v6 + 12);
    sockaddr.set(octets, SOCKADDR.v6 + 12);
  }
}

/** Where packets are sent: a `struct sockaddr` and its length. */
export interface Destination {
  sockaddr: Uint8Array<ArrayBuffer>;
  length: number;
}

/** An address and port as functions of the C library take them. */
export function destinationOf(peer: Peer, isV6: boolean): Destination {
  const sockaddr = new Uint8Array(SOCKADDR_SIZE);
  setSockaddr(sockaddr, peer, isV6);
  return { sockaddr, length: isV6 ? SOCKADDR_IN6_SIZE : SOCKADDR_IN_SIZE };
}

/** Slots for packets, each with who it comes from or goes to, as `struct mmsghdr`s have them. */
export class Slots {
  /** By slot, of `size` octets each. */
  readonly packets: Uint8Array<ArrayBuffer>[];
  /** By slot, {@linkcode SOCKADDR_SIZE} octets each. */
  readonly sockaddrs: Uint8Array<ArrayBuffer>[];
  /** What the functions are given; it may begin at a later slot. */
  readonly headers: readonly Uint8Array<ArrayBuffer>[];
  readonly #headers: DataView<ArrayBuffer>;
  readonly #iovs: DataView<ArrayBuffer>;
  // C has the addresses of all that: what is held here stays where it is, and alive.

  /**
   * @param size octets that a packet may have
   * @param peers slots whose addresses these have too: what is sent from here goes where that came from
   */
  constructor(count: number, size: number, peers?: Slots) {
    const packets = new Uint8Array(count * size);
    const sockaddrs = peers?.sockaddrs[0].buffer ??
      new ArrayBuffer(count * SOCKADDR_SIZE);
    this.#iovs = new DataView(new ArrayBuffer(count * IOVEC.size));
    this.#headers = new DataView(new ArrayBuffer(count * MMSGHDR.size));
    const slots = <T>(make: (i: number) => T) =>
      Array.from({ length: count }, (_, i) => make(i));
    this.packets = slots((i) => packets.subarray(i * size, (i + 1) * size));
    this.sockaddrs = slots((i) =>
      new Uint8Array(sockaddrs, i * SOCKADDR_SIZE, SOCKADDR_SIZE)
    );
    this.headers = slots((i) =>
      new Uint8Array(this.#headers.buffer, i * MMSGHDR.size)
    );
    const at = {
      packets: addressOf(packets),
      sockaddrs: addressOf(sockaddrs),
      iovs: addressOf(this.#iovs),
    };
    for (let i = 0; i < count; i++) {
      const iov = i * IOVEC.size, header = i * MMSGHDR.size;
      const set = (view: DataView, offset: number, value: bigint) =>
        view.setBigUint64(offset, value, true);
      set(this.#iovs, iov + IOVEC.base, at.packets + BigInt(i * size));
      set(this.#iovs, iov + IOVEC.len, BigInt(size));
      const sockaddr = at.sockaddrs + BigInt(i * SOCKADDR_SIZE);
      set(this.#headers, header + MMSGHDR.name, sockaddr);
      set(this.#headers, header + MMSGHDR.iov, at.iovs + BigInt(iov));
      set(this.#headers, header + MMSGHDR.iovlen, 1n);
    }
  }

  /** How many octets were received into a slot. */
  received(slot: number): number {
    return this.#headers.getUint32(slot * MMSGHDR.size + MMSGHDR.len, true);
  }

  /** What {@linkcode toSend} was said of: a copy. */
  packetToSend(slot: number): Uint8Array<ArrayBuffer> {
    const at = slot * IOVEC.size + IOVEC.len;
    return this.packets[slot].slice(0, this.#iovs.getUint32(at, true));
  }

  /** Says how much room a slot has for the address of who sent what will be received. */
  expectAddress(slot: number): void {
    const at = slot * MMSGHDR.size + MMSGHDR.namelen;
    this.#headers.setUint32(at, SOCKADDR_SIZE, true);
  }

  /** Says how many octets of the slot's packet are to be sent, to the address in its `struct sockaddr`. */
  toSend(slot: number, length: number): void {
    const isV4 = this.sockaddrs[slot][SOCKADDR.family] === AF_INET;
    this.#headers.setUint32(
      slot * MMSGHDR.size + MMSGHDR.namelen,
      isV4 ? SOCKADDR_IN_SIZE : SOCKADDR_IN6_SIZE,
      true,
    );
    this.#iovs.setUint32(slot * IOVEC.size + IOVEC.len, length, true);
  }
}

/**
 * Sends what is in some slots. Whatever the kernel does not take at once, since its buffer is full or there is no way
 * there, is given to `refused`.
 */
export function sendSlots(
  libc: Libc,
  fd: number,
  slots: Slots,
  first: number,
  end: number,
  refused?: (slot: number) => void,
): void {
  for (let at = first; at < end;) {
    const sent = libc.sendmmsg(fd, slots.headers[at], end - at, MSG_DONTWAIT);
    at += Math.max(0, sent);
    // Where not all were sent, the first that was not is why; that is told only when it is tried again.
    if (sent <= 0) refused?.(at++);
  }
}

function addressOf(memory: BufferSource): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
}

/** No descriptor is this high: the limit of a process is lower everywhere. */
const MAX_FD = 1 << 16;

/**
 * The file descriptor of a UDP socket of Deno's, which Deno does not tell: the one that is bound to that address.
 * Throws an Error where there is none.
 */
export function findSocket(
  libc: Libc,
  { hostname, port }: Deno.NetAddr,
): number {
  const sockaddr = new Uint8Array(SOCKADDR_SIZE);
  const type = new Uint32Array(1), length = new Uint32Array(1);
  for (let fd = 0; fd < MAX_FD; fd++) {
    length[0] = SOCKADDR_SIZE;
    if (libc.getsockname(fd, sockaddr, length) !== 0) continue;
    const family = sockaddr[SOCKADDR.family];
    if (family !== AF_INET && family !== AF_INET6) continue;
    if (portIn(sockaddr) !== port) continue;
    if (formatAddress(addressIn(sockaddr)) !== hostname) continue;
    length[0] = type.byteLength;
    libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, type, length);
    if (type[0] === SOCK_DGRAM) return fd;
  }
  throw new Error(`the socket bound to ${hostname}#${port} is not found`);
}
