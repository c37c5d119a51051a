/**
 * The functions of the C library that catching takes, each with its C prototype, and why a call of them failed.
 *
 * They return at once, for what the sockets have not got, they do not wait for. But `poll` waits, and so does `closeLater`:
 * the kernel lets all its processors pass before a packet socket is gone, which takes 15 ms and more.
 *
 * @module
 */
import { LIBC } from "../ffi/libc.ts";
import { openLibrary } from "../ffi/library.ts";

const SYMBOLS = {
  /** int socket(int domain, int type, int protocol) */
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen) */
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen) */
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen) */
  setsockopt: {
    parameters: ["i32", "i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** ssize_t recvfrom(int sockfd, void *buf, size_t len, int flags, struct sockaddr *src_addr, socklen_t *addrlen) */
  recvfrom: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "buffer"],
    result: "isize",
  },
  /** ssize_t send(int sockfd, const void *buf, size_t len, int flags) */
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  /** int close(int fd) */
  close: { parameters: ["i32"], result: "i32" },
  closeLater: {
    name: "close",
    parameters: ["i32"],
    result: "i32",
    nonblocking: true,
  },
  /** unsigned int if_nametoindex(const char *ifname) */
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  /** int eventfd(unsigned int initval, int flags) */
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  /** ssize_t write(int fd, const void *buf, size_t count) */
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  /** int poll(struct pollfd *fds, nfds_t nfds, int timeout) */
  poll: {
    parameters: ["buffer", "usize", "i32"],
    result: "i32",
    nonblocking: true,
  },
  /** int *__errno_location(void): glibc's and musl's name for the thread's errno */
  __errno_location: { parameters: [], result: "pointer" },
  /** char *strerror(int errnum) */
  strerror: { parameters: ["i32"], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let opened: Libc | undefined;

/** The library, opened when it is first needed. Throws `LibraryError` where it cannot be. */
export function libc(): Libc {
  return opened ??= openLibrary(LIBC, SYMBOLS).symbols;
}

/** asm-generic/errno-base.h, errno.h: the same on x86_64 and aarch64. */
export const EPERM = 1, ENOENT = 2, ENODEV = 19, EAFNOSUPPORT = 97;

/** A call failed. The message names it and has the system's words. */
export class SystemError extends Error {
  override name = "SystemError";

  constructor(call: string, readonly errno: number) {
    const words = libc().strerror(errno);
    super(
      `${call}: ${
        words === null
          ? `error ${errno}`
          : Deno.UnsafePointerView.getCString(words)
      }`,
    );
  }
}

/** The result of a call that was made just now; throws {@linkcode SystemError} where it is negative. */
export function checked<T extends number | bigint>(call: string, result: T): T {
  if (result >= 0) return result;
  const errno = libc().__errno_location()!;
  throw new SystemError(call, new Deno.UnsafePointerView(errno).getInt32());
}
