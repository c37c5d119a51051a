/**
 * Waiting for sockets that Deno does not know: poll(2), on a thread of Deno's pool.
 *
 * @module
 */
import { holding } from "../ffi/hold.ts";
import { checked, libc } from "../ffi/libc.ts";

const EFD_CLOEXEC = 0o2000000, POLLIN = 0x1;
/** `struct pollfd`: int fd, short events, short revents. */
const POLLFD = { size: 8, fd: 0, events: 4, revents: 6 };
const FOREVER = -1;

/** Sockets that are waited for until {@linkcode Readable.close}. */
export class Readable<T extends { readonly fd: number }> {
  readonly #sockets: () => readonly T[];
  /** Becomes readable when it is closed. */
  readonly #wake: number;
  #isClosed = false;

  /**
   * `sockets` is asked anew before each wait. None of them is to be closed while they are waited for, so outside of
   * {@linkcode Readable.forEach}'s `read`; there not one that comes later in the list. Throws {@linkcode SystemError}.
   */
  constructor(sockets: () => readonly T[]) {
    this.#sockets = sockets;
    this.#wake = checked("eventfd", libc().eventfd(0, EFD_CLOEXEC));
  }

  /** Calls `read` with each socket that has something or has failed; resolves soon after it was closed. */
  async forEach(read: (socket: T) => void): Promise<void> {
    while (!this.#isClosed) {
      const sockets = this.#sockets();
      const fds = [...sockets.map(({ fd }) => fd), this.#wake];
      const pollfds = new DataView(new ArrayBuffer(fds.length * POLLFD.size));
      fds.forEach((fd, i) => {
        pollfds.setInt32(i * POLLFD.size + POLLFD.fd, fd, true);
        pollfds.setInt16(i * POLLFD.size + POLLFD.events, POLLIN, true);
      });
      const count = BigInt(fds.length);
      await holding([pollfds], libc().poll(pollfds, count, FOREVER));
      for (const [i, socket] of sockets.entries()) {
        const revents = i * POLLFD.size + POLLFD.revents;
        if (this.#isClosed) break;
        if (pollfds.getInt16(revents, true) !== 0) read(socket);
      }
    }
    libc().close(this.#wake);
  }

  close(): void {
    this.#isClosed = true;
    libc().write(this.#wake, BigUint64Array.of(1n), 8n);
  }
}
