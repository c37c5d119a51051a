/**
 * How much may wait in the kernel for a socket to be read.
 *
 * @module
 */
import type { Libc } from "../ffi/libc.ts";

/** socket(7), asm-generic/socket.h: the same on x86_64 and aarch64. */
const SOL_SOCKET = 1, SO_RCVBUF = 8, SO_RCVBUFFORCE = 33;

/**
 * Octets, with what the kernel needs for each packet: some 2,700 small ones. The default has room for about 280, which
 * come in while a burst of processes is started.
 */
const SIZE = 1 << 20;

/**
 * Makes the receive buffer of a socket larger: as large as it should be with CAP_NET_ADMIN, and otherwise as far as
 * net.core.rmem_max allows. Where that fails the buffer stays as it is, which loses packets in bursts alone.
 */
export function enlargeReceiveBuffer(libc: Libc, fd: number): void {
  const size = Uint32Array.of(SIZE);
  for (const option of [SO_RCVBUFFORCE, SO_RCVBUF]) {
    if (libc.setsockopt(fd, SOL_SOCKET, option, size, size.byteLength) === 0) {
      return;
    }
  }
}
