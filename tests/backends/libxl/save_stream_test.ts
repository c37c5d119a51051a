import { assertEquals, assertMatch } from "@std/assert";
import { streamDamage } from "../../../src/backends/libxl/save_stream.ts";

/** A record's header and its body of zeros, padded. */
function record(type: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 + Math.ceil(length / 8) * 8);
  new DataView(bytes.buffer).setUint32(0, type, true);
  new DataView(bytes.buffer).setUint32(4, length, true);
  return bytes;
}

function header(text: string, size: number, at: number) {
  const bytes = new Uint8Array(size);
  bytes.set(new TextEncoder().encode(text), at);
  return bytes;
}

const BEFORE = new Uint8Array(13);
const INNER_AT = BEFORE.length + 16 + 8;
const WHOLE = new Uint8Array(
  await new Blob([
    BEFORE,
    header("LibxlFmt", 16, 0),
    record(1, 0), // LIBXC_CONTEXT
    header("XENF", 40, 8),
    record(1, 4096 + 12), // PAGE_DATA, of the same number
    record(2, 3),
    record(0, 0), // libxc's END
    record(2, 5),
    record(0, 0),
  ]).arrayBuffer(),
);

async function damage(bytes: Uint8Array): Promise<string | undefined> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, bytes);
    using file = await Deno.open(path);
    return await streamDamage(file, BEFORE.length);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("a saved domain that is whole has no damage, whatever follows it", async () => {
  assertEquals(await damage(WHOLE), undefined);
  assertEquals(
    await damage(new Uint8Array([...WHOLE, 1, 2, 3])),
    undefined,
  );
});

Deno.test("one that was cut off is damaged, wherever that was", async () => {
  for (let size = 0; size < WHOLE.length; size += 7) {
    assertEquals(
      await damage(WHOLE.subarray(0, size)),
      `it ends after ${size} bytes, which is too early`,
    );
  }
});

Deno.test("one that is something else is damaged", async () => {
  for (
    const [at, text] of [[13, "LibxlFmt"], [INNER_AT + 8, "XENF"]] as const
  ) {
    const other = WHOLE.slice();
    other[at] ^= 1;
    assertEquals(await damage(other), `there is no "${text}" at byte ${at}`);
  }
  const long = WHOLE.slice();
  long[INNER_AT + 40 + 7] = 0x7f; // the most significant octet of a length
  assertMatch(await damage(long) ?? "", /too early/);
});
