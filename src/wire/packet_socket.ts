/**
 * A socket that sees and sends whole Ethernet frames on one network interface: packet(7). It gets only what the filter
 * passes, also of what is not for this host, and of what this host itself sends.
 *
 * The layouts are those of 64-bit Linux: `struct sockaddr_ll` and `struct packet_mreq` in linux/if_packet.h,
 * `struct sock_fprog` in linux/filter.h.
 *
 * @module
 */
import { cString } from "../ffi/c_string.ts";
import { FILTER, FILTER_LENGTH, SNAP_LENGTH } from "./filter.ts";
import type { Octets } from "./frames.ts";
import { checked, ENODEV, libc, SystemError } from "../ffi/libc.ts";

const AF_PACKET = 17, SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000, SOCK_NONBLOCK = 0o4000;
/** ETH_P_ALL in network byte order: the only protocol that shows what this host sends. */
const ETH_P_ALL = 0x0300;
const SOL_SOCKET = 1, SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263, PACKET_ADD_MEMBERSHIP = 1, PACKET_MR_PROMISC = 1;
const ARPHRD_ETHER = 1, PACKET_OUTGOING = 4;
const SOCKADDR_LL = {
  size: 20,
  family: 0,
  protocol: 2,
  ifindex: 4,
  hatype: 8,
  pkttype: 10,
  addr: 12,
};
const PACKET_MREQ = { size: 16, ifindex: 0, type: 4 };
const SOCK_FPROG = { size: 16, len: 0, filter: 8 };

/** Told of a frame, which is good until it returns, and whether this host itself sent it. */
export type FrameHandler = (frame: Octets, isOwn: boolean) => void;

export class PacketSocket implements AsyncDisposable {
  readonly fd: number;
  readonly ifindex: number;
  readonly #frame = new Uint8Array(SNAP_LENGTH);
  readonly #address = new DataView(new ArrayBuffer(SOCKADDR_LL.size));
  readonly #addressLength = Uint32Array.of(SOCKADDR_LL.size);
  readonly #name = new DataView(new ArrayBuffer(SOCKADDR_LL.size));

  /** Throws {@linkcode SystemError}: EPERM without CAP_NET_RAW, ENODEV where there is no such interface. */
  constructor(readonly name: string) {
    const { socket, bind, setsockopt } = libc();
    this.ifindex = interfaceIndex(name);
    if (this.ifindex === 0) throw new SystemError("if_nametoindex", ENODEV);
    const type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    // With no protocol, and so no frames until it is bound: by then the filter is there.
    this.fd = checked("socket", socket(AF_PACKET, type, 0));
    try {
      const program = new DataView(new ArrayBuffer(SOCK_FPROG.size));
      program.setUint16(SOCK_FPROG.len, FILTER_LENGTH, true);
      const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(FILTER));
      program.setBigUint64(SOCK_FPROG.filter, BigInt(address), true);
      checked(
        "SO_ATTACH_FILTER",
        setsockopt(
          this.fd,
          SOL_SOCKET,
          SO_ATTACH_FILTER,
          program,
          SOCK_FPROG.size,
        ),
      );
      const request = new DataView(new ArrayBuffer(PACKET_MREQ.size));
      request.setInt32(PACKET_MREQ.ifindex, this.ifindex, true);
      request.setUint16(PACKET_MREQ.type, PACKET_MR_PROMISC, true);
      checked(
        "PACKET_ADD_MEMBERSHIP",
        setsockopt(
          this.fd,
          SOL_PACKET,
          PACKET_ADD_MEMBERSHIP,
          request,
          PACKET_MREQ.size,
        ),
      );
      const bound = this.#address;
      bound.setUint16(SOCKADDR_LL.family, AF_PACKET, true);
      bound.setUint16(SOCKADDR_LL.protocol, ETH_P_ALL, true);
      bound.setInt32(SOCKADDR_LL.ifindex, this.ifindex, true);
      checked("bind", bind(this.fd, bound, SOCKADDR_LL.size));
      if (this.#hardwareType() !== ARPHRD_ETHER) {
        throw new Error("it is no Ethernet interface");
      }
    } catch (error) {
      libc().close(this.fd);
      throw error;
    }
  }

  /**
   * The interface's own MAC address as it is now, since a bridge takes another one when a port joins or leaves it;
   * undefined where the interface is gone.
   */
  get mac(): Octets | undefined {
    if (this.#hardwareType() !== ARPHRD_ETHER) return undefined;
    return new Uint8Array(this.#name.buffer, SOCKADDR_LL.addr, 6).slice();
  }

  /** Whether the interface of that name is still the one that this is on. */
  get isThere(): boolean {
    return interfaceIndex(this.name) === this.ifindex;
  }

  /** Reads the interface's address anew, and says of what type it is; 0 where the interface is gone. */
  #hardwareType(): number {
    const length = Uint32Array.of(SOCKADDR_LL.size);
    checked("getsockname", libc().getsockname(this.fd, this.#name, length));
    return this.#name.getUint16(SOCKADDR_LL.hatype, true);
  }

  /** Takes all frames that wait in the kernel, but no more than `max`. */
  receive(handle: FrameHandler, max = 256): void {
    const { recvfrom } = libc();
    for (let i = 0; i < max; i++) {
      this.#addressLength[0] = SOCKADDR_LL.size;
      const length = recvfrom(
        this.fd,
        this.#frame,
        BigInt(SNAP_LENGTH),
        0,
        this.#address,
        this.#addressLength,
      );
      if (length <= 0) return; // nothing more, or the interface is down or gone: poll will tell
      handle(
        this.#frame.subarray(0, Number(length)),
        this.#address.getUint8(SOCKADDR_LL.pkttype) === PACKET_OUTGOING,
      );
    }
  }

  /** Sends a frame as it is. Throws {@linkcode SystemError} where that cannot be done now. */
  send(frame: Uint8Array<ArrayBuffer>): void {
    checked("send", libc().send(this.fd, frame, BigInt(frame.length), 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await libc().closeLater(this.fd);
  }
}

/** The index of an interface, which another one of its name does not have; 0 where there is none. */
function interfaceIndex(name: string): number {
  return libc().if_nametoindex(cString(name));
}
