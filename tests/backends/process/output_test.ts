import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { FakeTime } from "@std/testing/time";
import {
  forEachLine,
  INTERVAL_MS,
  LineLimit,
  MAX_LINE,
  MAX_LINES,
} from "../../../src/backends/process/output.ts";

async function linesOf(...chunks: Uint8Array<ArrayBuffer>[]) {
  const lines: string[] = [];
  await forEachLine(ReadableStream.from(chunks), (line) => lines.push(line));
  return lines;
}
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("output comes line by line, the last one also without its end", async () => {
  assertEquals(await linesOf(bytes("a\nb\r\n\nc")), ["a", "b", "", "c"]);
  assertEquals(await linesOf(bytes("a\n")), ["a"]);
  assertEquals(await linesOf(), []);
});

Deno.test("how the output was cut into chunks makes no difference", () =>
  fc.assert(fc.asyncProperty(
    fc.string({ unit: fc.constantFrom("a", "\n", "\r", "ä", "😀") }),
    fc.integer({ min: 1, max: 5 }),
    async (text, size) => {
      const all = bytes(text);
      const chunks = [];
      for (let at = 0; at < all.length; at += size) {
        chunks.push(all.slice(at, at + size));
      }
      assertEquals(await linesOf(...chunks), await linesOf(all));
    },
  )));

Deno.test("a line that never ends comes in pieces, none of which cuts a character", async () => {
  const text = "a" + "😀".repeat(MAX_LINE);
  const all = bytes(text);
  const lines = await linesOf(all.slice(0, 100), all.slice(100));
  assert(lines.join("") === text, "nothing is lost or changed");
  assert(lines.every((line) => line.length <= MAX_LINE && line.isWellFormed()));
  assert(
    (await linesOf(bytes(text + "\nb"))).join() === [...lines, "b"].join(),
    "the same pieces when the end comes at once",
  );
});

Deno.test("what is not UTF-8 is replaced and nothing is lost after it", async () => {
  assertEquals(await linesOf(new Uint8Array([0x61, 0xff, 0x62, 0x0a, 0x63])), [
    "a\ufffdb",
    "c",
  ]);
});

Deno.test("reading ends when it is told to, though the stream does not", async () => {
  const closing = new AbortController();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>();
  const reading = forEachLine(stream, () => {}, closing.signal);
  closing.abort(new Error("closing"));
  await assertRejects(() => reading, Error, "closing");
});

Deno.test("what is beyond the limit is counted, told when the interval is over, and then lines are taken again", () => {
  using time = new FakeTime(0);
  const taken: string[] = [];
  const limit = new LineLimit(
    (line) => taken.push(line),
    (message) => taken.push(`! ${message}`),
  );
  for (let i = 0; i < MAX_LINES + 3; i++) limit.take(`${i}`);
  assertEquals(taken.length, MAX_LINES);
  time.tick(INTERVAL_MS);
  assertEquals(
    taken.slice(MAX_LINES),
    ["! 3 lines of its output were dropped: it wrote more than 2000 in 10 s"],
  );
  limit.take("next");
  assertEquals(taken.at(-1), "next");
  limit.end();
  assertEquals(taken.at(-1), "next", "nothing was dropped since");
});

Deno.test("long lines count for several", () => {
  let taken = 0;
  const limit = new LineLimit(() => taken++, () => {});
  for (let i = 0; i < 1000; i++) limit.take("x".repeat(MAX_LINE));
  limit.end();
  assertEquals(taken, Math.floor(MAX_LINES / (1 + MAX_LINE / 256)));
});
