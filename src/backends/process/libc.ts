/**
 * What the process backend calls in the C library, where Deno has no function for it or none that leaves the event loop.
 *
 * @module
 */
import { LIBC } from "../../ffi/libc.ts";
import { lazyLibrary } from "../../ffi/library.ts";
import { BackendError } from "../backend.ts";

/** All are in glibc 2.27 and in musl, but where one is optional. */
const SYMBOLS = {
  posix_spawn: {
    parameters: [
      "buffer", // pid_t *pid
      "buffer", // const char *path
      "buffer", // const posix_spawn_file_actions_t *file_actions
      "buffer", // const posix_spawnattr_t *attrp
      "buffer", // char *const argv[]
      "buffer", // char *const envp[]
    ],
    result: "i32",
    nonblocking: true, // it returns when the program is loaded, and that may take a disk
  },
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_addopen: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fildes
      "buffer", // const char *path
      "i32", // int oflag
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  posix_spawn_file_actions_adddup2: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fildes
      "i32", // int newfildes
    ],
    result: "i32",
  },
  posix_spawn_file_actions_addchdir_np: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "buffer", // const char *path
    ],
    result: "i32",
    optional: true, // since glibc 2.29
  },
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  posix_spawnattr_setsigmask: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "buffer", // const sigset_t *sigmask
    ],
    result: "i32",
  },
  posix_spawnattr_setsigdefault: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "buffer", // const sigset_t *sigdefault
    ],
    result: "i32",
  },
  waitid: {
    parameters: [
      "i32", // idtype_t idtype
      "u32", // id_t id
      "buffer", // siginfo_t *infop
      "i32", // int options
    ],
    result: "i32",
  },
  getpgid: { parameters: ["i32"], result: "i32" },
  prlimit: {
    parameters: [
      "i32", // pid_t pid
      "i32", // int resource
      "buffer", // const struct rlimit *new_limit
      "buffer", // struct rlimit *old_limit
    ],
    result: "i32",
  },
  pipe2: {
    parameters: [
      "buffer", // int pipefd[2]
      "i32", // int flags
    ],
    result: "i32",
  },
  read: {
    parameters: [
      "i32", // int fd
      "buffer", // void *buf
      "usize", // size_t count
    ],
    result: "isize",
  },
  write: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
    ],
    result: "isize",
  },
  close: { parameters: ["i32"], result: "i32" },
  fcntl: {
    parameters: [
      "i32", // int fd
      "i32", // int op
      "i32", // int arg
    ],
    result: "i32",
  },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: {
    parameters: [
      "i32", // int epfd
      "i32", // int op
      "i32", // int fd
      "buffer", // struct epoll_event *event
    ],
    result: "i32",
  },
  epoll_wait: {
    parameters: [
      "i32", // int epfd
      "buffer", // struct epoll_event *events
      "i32", // int maxevents
      "i32", // int timeout
    ],
    result: "i32",
    nonblocking: true,
  },
  strerror: {
    parameters: [
      "i32", // int errnum
    ],
    result: "pointer",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The C library's functions. Throws {@linkcode BackendError} where it cannot be opened. */
export const libc = lazyLibrary(LIBC, SYMBOLS, BackendError);

/** `O_CLOEXEC`, which is `EPOLL_CLOEXEC` too: not handed down to what is executed. */
export const CLOEXEC = 0o2000000;
