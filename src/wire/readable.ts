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
  readonly #sockets: readonly T[];
  /** Becomes readable when it is closed. */
  readonly #wake: number;
  readonly #pollfds: DataView<ArrayBuffer>;
  #isClosed = false;

  constructor(sockets: readonly T[]) {
    this.#sockets = sockets;
    this.#wake = checked("eventfd", libc().eventfd(0, EFD_CLOEXEC));
    const fds = [...sockets.map(({ fd }) => fd), this.#wake];
    this.#pollfds = new DataView(new ArrayBuffer(fds.length * POLLFD.size));
    fds.forEach((fd, i) => {
      this.#pollfds.setInt32(i * POLLFD.size + POLLFD.fd, fd, true);
      this.#pollfds.setInt16(i * POLLFD.size + POLLFD.events, POLLIN, true);
    });
  }

  /** Calls `read` with each socket that has something or has failed; resolves soon after it was closed. */
  async forEach(read: (socket: T) => void): Promise<void> {
    const pollfds = this.#pollfds;
    const count = BigInt(this.#sockets.length + 1);
    while (!this.#isClosed) {
      await holding([pollfds], libc().poll(pollfds, count, FOREVER));
      for (const [i, socket] of this.#sockets.entries()) {
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
