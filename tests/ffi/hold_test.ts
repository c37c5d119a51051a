import { assert, assertEquals } from "@std/assert";
import { holding } from "../../src/ffi/hold.ts";
import { openLibrary } from "../../src/ffi/library.ts";
import { gc } from "./gc.ts";

const { symbols: libc } = openLibrary({
  name: "C",
  candidates: ["libc.so.6"],
  install: [],
}, {
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

/** Starts a call that looks at `struct pollfd` until the time is over, and forgets the buffer. */
function poll(milliseconds: number) {
  const fds = new Uint8Array(8);
  new DataView(fds.buffer).setInt32(0, -1, true); // "ignore this one"
  return {
    memory: new WeakRef(fds.buffer),
    call: holding([fds], libc.poll(fds, 1n, milliseconds)),
  };
}

/** A WeakRef keeps its target until the current task is over. */
async function collect() {
  await new Promise((resolve) => setTimeout(resolve));
  gc();
}

Deno.test("a buffer that a call is using survives garbage collection, and is freed after the call", async () => {
  const { memory, call } = poll(500);
  let over = false;
  const done = call.then((result) => {
    over = true;
    return result;
  });
  await collect();
  await collect();
  assert(!over, "the call ended before the collections");
  assert(memory.deref() !== undefined, "the memory was freed during the call");
  assertEquals(await done, 0);
  await collect();
  await collect();
  assert(memory.deref() === undefined, "the memory is kept for good");
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
  await collect();
  assert(memory.deref() === undefined);
});
