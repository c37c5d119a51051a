import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { cString, readCString } from "../../src/ffi/c_string.ts";

function pointerTo(bytes: Uint8Array<ArrayBuffer>): Deno.PointerObject {
  return Deno.UnsafePointer.of(bytes)!;
}

Deno.test("any text without NUL comes back from C as it went", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
      (text) => {
        const bytes = cString(text);
        assertEquals(readCString(pointerTo(bytes)), text);
      },
    ),
  );
});

Deno.test("text with a NUL is refused, since C would see it cut short", () => {
  assertThrows(() => cString("www\0.evil"), TypeError, '"www\\u0000.evil"');
});

Deno.test("bytes from C that are not UTF-8 are shown as U+FFFD", () => {
  const bytes = new Uint8Array([0x77, 0xff, 0x77, 0]);
  assertEquals(readCString(pointerTo(bytes)), "w\ufffdw");
});
