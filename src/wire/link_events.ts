/**
 * That something has changed about this host's network interfaces: one came, went, went up or down, or has another MAC
 * address or IP address. rtnetlink(7) tells it; what it is now is for the reader to look up, since several changes may be
 * told at once and more than the socket has room for are told as one.
 *
 * @module
 */
import { checked, ENOBUFS, lastError, libc } from "../ffi/libc.ts";

const AF_NETLINK = 16, SOCK_RAW = 3, NETLINK_ROUTE = 0;
const SOCK_CLOEXEC = 0o2000000, SOCK_NONBLOCK = 0o4000;
/** RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR of linux/rtnetlink.h. */
const GROUPS = 0x1 | 0x10 | 0x100;
/** `struct sockaddr_nl` of linux/netlink.h. */
const SOCKADDR_NL = { size: 12, family: 0, groups: 8 };

export class LinkEvents implements Disposable {
  readonly fd: number;

  /** Throws {@linkcode SystemError}. */
  constructor() {
    this.fd = checked(
      "socket",
      libc().socket(
        AF_NETLINK,
        SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
        NETLINK_ROUTE,
      ),
    );
    const address = new DataView(new ArrayBuffer(SOCKADDR_NL.size));
    address.setUint16(SOCKADDR_NL.family, AF_NETLINK, true);
    address.setUint32(SOCKADDR_NL.groups, GROUPS, true);
    try {
      checked("bind", libc().bind(this.fd, address, SOCKADDR_NL.size));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Takes all that was told since it was called last. Never waits. */
  drain(): void {
    const start = new Uint8Array(16);
    const next = () =>
      libc().recvfrom(this.fd, start, BigInt(start.length), 0, null, null);
    while (next() >= 0 || lastError() === ENOBUFS);
  }

  [Symbol.dispose](): void {
    libc().close(this.fd);
  }
}
