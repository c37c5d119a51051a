/**
 * Pipes that others write to, read without a thread for each: Deno reads a file descriptor that it has not made itself
 * in a thread of its pool, of which there are 32. Here one thread waits for them all, in epoll_wait(2).
 *
 * @module
 */
import { holding } from "../../ffi/hold.ts";
import { BackendError } from "../backend.ts";
import { CLOEXEC, libc } from "./libc.ts";

/** `<sys/epoll.h>` */
const EPOLL_CTL_ADD = 1, EPOLL_CTL_MOD = 3;
const EPOLLIN = 1, EPOLLONESHOT = 1 << 30;
/** struct epoll_event is packed on x86_64 only. */
const EVENT_SIZE = Deno.build.arch === "x86_64" ? 12 : 16;
const DATA = EVENT_SIZE - 8;
const MAX_EVENTS = 64;

/** `<fcntl.h>`: for the end that we read only; what is written to the other end waits for room as ever. */
const F_SETFL = 4, O_NONBLOCK = 0o4000;

/** As much as a pipe holds: pipe(7). */
const CHUNK = 65536;

/** Both ends of a pipe, neither of which is handed down to what is executed. */
export interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** Throws {@linkcode BackendError}. */
export function openPipe(): Pipe {
  const ends = new Int32Array(2);
  if (libc().pipe2(new Uint8Array(ends.buffer), CLOEXEC) !== 0) {
    throw new BackendError(
      "no pipe for the output of a process: too many open files: raise the limit (ulimit -n, LimitNOFILE=)",
    );
  }
  return { read: ends[0], write: ends[1] };
}

/** See the module's comment. */
export class PipeReader {
  #epoll?: number;
  /** Written to, it ends the wait. */
  #wake?: Pipe;
  /** Who waits for a descriptor to be readable. */
  readonly #waiting = new Map<number, () => void>();
  readonly #known = new Set<number>();
  readonly #chunk = new Uint8Array(CHUNK);
  #running?: Promise<void>;
  #closed = false;

  /** What is written to the pipe whose reading end that is, which is closed when nobody can write any more. */
  stream(fd: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    libc().fcntl(fd, F_SETFL, O_NONBLOCK);
    const close = () => {
      this.#known.delete(fd);
      this.#waiting.delete(fd);
      libc().close(fd);
    };
    return new ReadableStream({
      pull: async (controller) => {
        await this.#readable(fd);
        // -1 is EINTR, nothing else can come of a pipe that is readable: nothing for now.
        const length = Number(libc().read(fd, this.#chunk, BigInt(CHUNK)));
        if (length === 0) {
          close();
          controller.close();
        } else controller.enqueue(this.#chunk.slice(0, Math.max(length, 0)));
      },
      cancel: close,
    }, { highWaterMark: 0 });
  }

  /** Ends the waiting; streams that were not read to their end stay where they are. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#epoll === undefined) return;
    libc().write(this.#wake!.write, new Uint8Array(1), 1n);
    await this.#running;
    for (const fd of [this.#epoll, this.#wake!.read, this.#wake!.write]) {
      libc().close(fd);
    }
  }

  #readable(fd: number): Promise<void> {
    this.#open();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(fd, resolve);
    this.#arm(fd, this.#known.has(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
    this.#known.add(fd);
    return promise;
  }

  #arm(fd: number, operation: number): void {
    const event = new DataView(new ArrayBuffer(EVENT_SIZE));
    event.setUint32(0, EPOLLIN | EPOLLONESHOT, true);
    event.setInt32(DATA, fd, true);
    libc().epoll_ctl(this.#epoll!, operation, fd, event);
  }

  #open(): void {
    if (this.#epoll !== undefined) return;
    this.#wake = openPipe();
    this.#epoll = libc().epoll_create1(CLOEXEC);
    this.#arm(this.#wake.read, EPOLL_CTL_ADD);
    this.#running = this.#run(this.#epoll);
  }

  async #run(epoll: number): Promise<void> {
    const events = new DataView(new ArrayBuffer(MAX_EVENTS * EVENT_SIZE));
    while (!this.#closed) {
      // -1 is EINTR: a signal came.
      const count = await holding(
        [events],
        libc().epoll_wait(epoll, events, MAX_EVENTS, -1),
      );
      for (let i = 0; i < count; i++) {
        const fd = events.getInt32(i * EVENT_SIZE + DATA, true);
        const resolve = this.#waiting.get(fd);
        this.#waiting.delete(fd);
        resolve?.();
      }
    }
  }
}
