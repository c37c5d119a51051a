import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { forEachLine, MAX_LINE } from "../../../src/backends/process/output.ts";

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
