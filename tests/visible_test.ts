import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { controlIn, few, visible, visibleJson } from "../src/visible.ts";

const STEERS =
  // deno-lint-ignore no-control-regex -- the characters that must not be there
  /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

Deno.test("controls, bidi controls and ends of lines are shown as their codes", () => {
  assertEquals(visible("a\x1b[2Jb"), "a\\u{1b}[2Jb");
  assertEquals(visible("a\u009b31mb"), "a\\u{9b}31mb");
  assertEquals(visible("a\u202eb\u2066\0"), "a\\u{202e}b\\u{2066}\\u{0}");
  assertEquals(visible("one\r\ntwo\u2028"), "one\\u{d}\\u{a}two\\u{2028}");
});

Deno.test("other text stays as it is", () => {
  for (const text of ["", "plain text", "Ünïcödé 日本語 🦕", "\\u{1b}"]) {
    assertEquals(visible(text), text);
    assertEquals(controlIn(text), undefined);
  }
});

Deno.test("a text with a control character is told from one without", () => {
  assertEquals(controlIn("a\0b"), "has a control character (\\u{0})");
  assertEquals(controlIn("\u202e"), "has a control character (\\u{202e})");
  assertEquals(controlIn("👨‍👩‍👧"), undefined);
});

Deno.test("nothing that is shown steers a terminal, and JSON says what it said", () => {
  fc.assert(fc.property(
    fc.string({ unit: "binary" }),
    fc.array(fc.constantFrom("\x1b", "\u009b", "\u202e", "\n", "\x7f")),
    (text, controls) => {
      const value = { text: controls.join(text) };
      assertEquals(STEERS.test(visible(value.text)), false);
      assertEquals(STEERS.test(visibleJson(value)), false);
      assertEquals(JSON.parse(visibleJson(value)), value);
    },
  ));
});

Deno.test("a line names the first of many, and counts the others", () => {
  assertEquals(few(["a", "b", "c"]), "a, b, c");
  assertEquals(few(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
});
