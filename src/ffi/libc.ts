/**
 * The system's C library, for what Deno has no function for: each function with its C prototype, and why a call failed.
 *
 * The functions return at once. A socket without data does not make them wait, since each is told MSG_DONTWAIT or is
 * non-blocking. Two may wait, and do so on another thread: `poll`, and `closeLater`, since the kernel lets all its
 * processors pass before a packet socket is gone, which takes 15 ms and more.
 *
 * @module
 */
import { type Library, openLibrary } from "./library.ts";

/**
 * For the symbols of a library that hands out memory to be freed: `free` is then found through that library's own
 * dependencies, so that what it allocated is freed by the C library that it uses.
 */
export const FREE = {
  free: {
    parameters: [
      "pointer", // void *ptr
    ],
    result: "void",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** glibc's, or musl's under the name it has on each machine. */
export const LIBC: Library = {
  name: "C",
  candidates: [
    "libc.so.6",
    "libc.musl-x86_64.so.1",
    "libc.musl-aarch64.so.1",
  ],
  install: ["the system's C library package"],
};

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
  /** ssize_t sendto(int sockfd, const void *buf, size_t len, int flags, const struct sockaddr *dest_addr, socklen_t addrlen) */
  sendto: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"],
    result: "isize",
  },
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
  /** int malloc_trim(size_t pad): glibc only; undefined where it is not there */
  malloc_trim: { parameters: ["usize"], result: "i32", optional: true },
  /** int *__errno_location(void): glibc's and musl's name for the thread's errno */
  __errno_location: { parameters: [], result: "pointer" },
  /** char *strerror(int errnum) */
  strerror: { parameters: ["i32"], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let opened: Libc | undefined;

/** The library's functions; it is opened when they are first needed. Throws `LibraryError` where it cannot be. */
export function libc(): Libc {
  return opened ??= openLibrary(LIBC, SYMBOLS).symbols;
}

/** asm-generic/errno-base.h, errno.h: the same on x86_64 and aarch64. */
export const EPERM = 1, ENOENT = 2, ENODEV = 19;
export const EAFNOSUPPORT = 97, ENOBUFS = 105;

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
  throw new SystemError(call, lastError());
}

/** The error number of the call that has just failed. */
export function lastError(): number {
  const errno = libc().__errno_location()!;
  return new Deno.UnsafePointerView(errno).getInt32();
}
