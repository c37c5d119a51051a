import { assert, assertEquals } from "@std/assert";
import { holding } from "../../src/ffi/hold.ts";
import { openLibrary } from "../../src/ffi/library.ts";
import { gc } from "./gc.ts";

const { symbols: libc } = openLibrary({
  name: "C",
  candidates: ["libc.so.6"],
  install: [],
}, {
  pipe: {
    parameters: [
      "buffer", // int pipefd[2]
    ],
    result: "i32",
  },
  write: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
    ],
    result: "isize",
  },
  close: {
    parameters: [
      "i32", // int fd
    ],
    result: "i32",
  },
  poll: {
    parameters: [
      "buffer", // struct pollfd *fds
      "u64", // nfds_t nfds
      "i32", // int timeout
    ],
    result: "i32",
    nonblocking: true,
  },
});

const POLLIN = 1;

/** Starts a call that looks at `struct pollfd` until the file can be read, and forgets the buffer. */
function poll(file: number) {
  const fds = new Uint8Array(8);
  const view = new DataView(fds.buffer);
  view.setInt32(0, file, true);
  view.setInt16(4, POLLIN, true);
  return {
    memory: new WeakRef(fds.buffer),
    call: holding([fds], libc.poll(fds, 1n, -1)),
  };
}

/** A WeakRef keeps its target until the current task is over. */
async function collect() {
  for (let i = 0; i < 2; i++) {
    await new Promise((resolve) => setTimeout(resolve));
    gc();
  }
}

Deno.test("a buffer that a call is using survives garbage collection, and is freed after the call", async () => {
  const pipe = new Int32Array(2);
  libc.pipe(pipe);
  const [readEnd, writeEnd] = pipe;
  const { memory, call } = poll(readEnd);
  await collect();
  assert(memory.deref() !== undefined, "the memory was freed during the call");
  libc.write(writeEnd, new Uint8Array(1), 1n);
  assertEquals(await call, 1);
  await collect();
  assert(memory.deref() === undefined, "the memory is kept for good");
  libc.close(readEnd);
  libc.close(writeEnd);
});

Deno.test("a failing call lets go of its buffers too", async () => {
  let buffer: Uint8Array | undefined = new Uint8Array(8);
  const memory = new WeakRef(buffer);
  await holding(
    [buffer as Uint8Array<ArrayBuffer>],
    Promise.reject(new Error("no")),
  ).catch(() => {});
  buffer = undefined;
  await collect();
  assert(memory.deref() === undefined);
});
