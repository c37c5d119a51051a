import { assertEquals } from "@std/assert";
import {
  endedChildren,
  endingStuckChildren,
} from "../../../src/backends/libxl/stuck_children.ts";
import { holding } from "../../../src/ffi/hold.ts";
import { LIBC } from "../../../src/ffi/libc.ts";
import { openLibrary } from "../../../src/ffi/library.ts";

const libc = openLibrary(LIBC, {
  fork: { parameters: [], result: "i32", nonblocking: true },
  waitpid: {
    parameters: ["i32", "buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
}).symbols;

/** The end of a child as waitpid(2) tells it. */
async function statusOf(pid: number): Promise<number> {
  const status = new Int32Array(1);
  assertEquals(await holding([status], libc.waitpid(pid, status, 0)), pid);
  return status[0];
}

const SIGKILL = 9;

Deno.test("a child that was forked among threads and waits for a lock is ended", async () => {
  const before = endedChildren();
  // Of this process, the child has the one thread that forked: one of Deno's pool, which waits for work under a mutex.
  const pid = await libc.fork();
  assertEquals(await endingStuckChildren(statusOf(pid)), SIGKILL);
  assertEquals(endedChildren(), before + 1);
});

Deno.test("a child that does something else is left to it", async () => {
  const child = new Deno.Command("sleep", { args: ["2"] }).spawn();
  const { code, signal } = await endingStuckChildren(child.status);
  assertEquals([code, signal], [0, null]);
});
