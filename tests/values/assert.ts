/**
 * Assertions on readers of values.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { type Reader, ValueError } from "../../src/values/readers.ts";

/** What the reader makes of each text. */
export function assertReads<T>(read: Reader<T>, values: Record<string, T>) {
  for (const [text, value] of Object.entries(values)) {
    assertEquals(read(text), value, text);
  }
}

/** What the reader says was expected instead of each text. */
export function assertRefuses(
  read: Reader<unknown>,
  texts: Record<string, string>,
) {
  for (const [text, expected] of Object.entries(texts)) {
    assertThrows(() => read(text), ValueError, expected, text);
  }
}
