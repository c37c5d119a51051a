/** One call: how its reply is read. */
import { assert, assertEquals } from "@std/assert";
import type { Http } from "../../../src/backends/xapi/http.ts";
import { Rpc } from "../../../src/backends/xapi/rpc.ts";
import { encodeSuccess } from "./fake/wire.ts";

const NEVER = new AbortController().signal;

/** HTTP that has a whole reply there at once, in pieces of that many octets. */
function replying(text: string, piece: number): Http {
  const octets = new TextEncoder().encode(text);
  const pieces = function* () {
    for (let at = 0; at < octets.length; at += piece) {
      yield octets.subarray(at, at + piece);
    }
  };
  return {
    post: () =>
      Promise.resolve({
        status: 200,
        headers: new Headers(),
        body: ReadableStream.from(pieces()),
      }),
    close() {},
  };
}

Deno.test("a reply of many records keeps nobody waiting, however it comes", async () => {
  const record = {
    other_config: Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`key & ${i}`, "value & so on"]),
    ),
  };
  const records = Object.fromEntries(
    Array.from({ length: 1300 }, (_, i) => [`OpaqueRef:${i}`, record]),
  );
  const text = encodeSuccess(records);
  assert(text.length > 8 * 2 ** 20);
  for (const piece of [16_384, text.length]) {
    const rpc = new Rpc(replying(text, piece), []);
    let turns = 0, longest = 0, last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      turns++;
    }, 1);
    try {
      const read = await rpc.call("http://a/", "VM.get_all", [], 60_000, NEVER);
      assertEquals(Object.keys(read as object).length, 1300);
    } finally {
      clearInterval(timer);
    }
    // In one go it was a second and more on an idle machine, and not one turn of anybody else's.
    assert(turns > 20, `${turns} turns, the longest of ${longest} ms`);
  }
});
