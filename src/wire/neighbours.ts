/**
 * This host's own table of neighbours, over rtnetlink(7): what it would learn from an answer on the wire. A bridge
 * carries what is sent on it to its ports and not up to the host, so the host has to be told otherwise.
 *
 * The layouts are those of linux/netlink.h, linux/rtnetlink.h and linux/neighbour.h.
 *
 * @module
 */
import type { Octets } from "./frames.ts";
import {
  checked,
  ENODEV,
  ENOENT,
  EPERM,
  libc,
  SystemError,
} from "../ffi/libc.ts";

const AF_NETLINK = 16, SOCK_RAW = 3, NETLINK_ROUTE = 0;
const SOCK_CLOEXEC = 0o2000000, SOCK_NONBLOCK = 0o4000;
const RTM_NEWNEIGH = 28, RTM_DELNEIGH = 29;
const NLM_F_REQUEST = 0x1, NLM_F_ACK = 0x4;
const NLM_F_REPLACE = 0x100, NLM_F_CREATE = 0x400;
const AF_INET = 2, AF_INET6 = 10;
const NUD_REACHABLE = 0x02;
const NDA_DST = 1, NDA_LLADDR = 2;
const NLMSGHDR = { size: 16, len: 0, type: 4, flags: 6, seq: 8 };
const NDMSG = { size: 12, family: 0, ifindex: 4, state: 8 };
/** A `struct nlmsgerr`, which acknowledges with 0 and says why not with a negative errno, follows its header. */
const NLMSGERR = { errno: 16, seq: 8 };

export class Neighbours implements Disposable {
  readonly #fd: number;
  #sequence = 0;

  constructor() {
    this.#fd = checked(
      "socket",
      libc().socket(
        AF_NETLINK,
        SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
        NETLINK_ROUTE,
      ),
    );
  }

  /** Whether this process may change the table. Changes nothing. */
  mayChange(): boolean {
    try {
      this.forget(0, new Uint8Array(4)); // permission is asked for first, rtnetlink(7)
    } catch (error) {
      return !(error instanceof SystemError && error.errno === EPERM);
    }
    return true;
  }

  /**
   * The address is at that MAC address, as if it had just said so: the kernel sends what waits for it, and checks it in
   * its own time. What it has heard from another MAC address can be left as it is. Throws {@linkcode SystemError}: EPERM
   * without CAP_NET_ADMIN.
   */
  learn(
    ifindex: number,
    address: Octets,
    mac: Octets,
    when?: "unless it knows better",
  ): void {
    const flags = NLM_F_CREATE | (when === undefined ? NLM_F_REPLACE : 0);
    this.#request(RTM_NEWNEIGH, flags, ifindex, [
      [NDA_DST, address],
      [NDA_LLADDR, mac],
    ]);
  }

  /** Nothing is known of where the address is, if anything was. Throws {@linkcode SystemError} as `learn` does. */
  forget(ifindex: number, address: Octets): void {
    try {
      this.#request(RTM_DELNEIGH, 0, ifindex, [[NDA_DST, address]]);
    } catch (error) {
      const isNothing = error instanceof SystemError &&
        (error.errno === ENOENT || error.errno === ENODEV);
      if (!isNothing) throw error;
    }
  }

  /** Makes a request and reads whether it was done, which the kernel says before `send` returns. */
  #request(
    type: number,
    flags: number,
    ifindex: number,
    attributes: [type: number, value: Octets][],
  ): void {
    const message = new Uint8Array(128);
    const view = new DataView(message.buffer);
    const body = NLMSGHDR.size;
    view.setUint16(NLMSGHDR.type, type, true);
    view.setUint16(NLMSGHDR.flags, NLM_F_REQUEST | NLM_F_ACK | flags, true);
    view.setUint32(NLMSGHDR.seq, ++this.#sequence, true);
    const [[, { length }]] = attributes;
    view.setUint8(body + NDMSG.family, length === 4 ? AF_INET : AF_INET6);
    view.setInt32(body + NDMSG.ifindex, ifindex, true);
    view.setUint16(body + NDMSG.state, NUD_REACHABLE, true);
    let end = body + NDMSG.size;
    for (const [type, value] of attributes) {
      view.setUint16(end, 4 + value.length, true);
      view.setUint16(end + 2, type, true);
      message.set(value, end + 4);
      end += 4 + Math.ceil(value.length / 4) * 4; // NLA_ALIGN
    }
    view.setUint32(NLMSGHDR.len, end, true);
    const call = type === RTM_NEWNEIGH ? "RTM_NEWNEIGH" : "RTM_DELNEIGH";
    const { send, recvfrom } = libc();
    checked(call, send(this.#fd, message, BigInt(end), 0));
    const reply = new DataView(new ArrayBuffer(256));
    do {
      checked(
        call,
        recvfrom(this.#fd, reply, BigInt(reply.byteLength), 0, null, null),
      );
    } while (reply.getUint32(NLMSGERR.seq, true) !== this.#sequence);
    const errno = -reply.getInt32(NLMSGERR.errno, true);
    if (errno !== 0) throw new SystemError(call, errno);
  }

  [Symbol.dispose](): void {
    libc().close(this.#fd);
  }
}
