import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  formatName,
  hashName,
  isWithin,
  NameError,
  nameKey,
  parentName,
  parseName,
  readName,
  ROOT,
  WireError,
} from "../../../src/dns/wire/name.ts";
import { anyName } from "../messages.ts";

const bytes = (...parts: (string | number)[]) =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [part] : [...new TextEncoder().encode(part)]
    ),
  );

/** A header, which says nothing here. */
const HEADER = Array<number>(12).fill(0);

Deno.test("a name in text form becomes its labels, with or without the dot at its end", () => {
  const wire = bytes(3, "www", 7, "example", 3, "org", 0);
  assertEquals(parseName("www.example.org"), wire);
  assertEquals(parseName("www.example.org."), wire);
  assertEquals(parseName("."), ROOT);
});

Deno.test("escapes in text stand for any octet (RFC 1035 section 5.1)", () => {
  assertEquals(parseName("a\\.b.\\000\\255"), bytes(3, "a.b", 2, 0, 255, 0));
  assertEquals(formatName(bytes(3, "a.b", 2, 0, 255, 0)), "a\\.b.\\000\\255.");
});

Deno.test("every name survives being written as text and read again", () => {
  fc.assert(fc.property(anyName, (name) => {
    assertEquals(parseName(formatName(name)), name);
  }));
});

Deno.test("a text that is no name is refused with the reason", () => {
  for (
    const [text, reason] of [
      ["", "empty"],
      ["a..b", "empty label"],
      [".a", "empty label"],
      ["a".repeat(64), "64 octets"],
      [Array(5).fill("a".repeat(60)).join("."), "255 are the most"],
      ["a\\", "ends within an escape"],
      ["a\\1x", "not three digits"],
      ["a\\256", "above \\255"],
    ]
  ) {
    assertThrows(() => parseName(text), NameError, reason);
  }
});

Deno.test("a label of 63 octets and a name of 255 are the most there is (RFC 1035 section 2.3.4)", () => {
  const longest = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${
    "d".repeat(61)
  }`;
  assertEquals(parseName(longest).length, 255);
  assertThrows(() => parseName(longest + "d"), NameError);
});

Deno.test("names compare without regard to the case of ASCII letters, and of those alone (RFC 4343)", () => {
  assertEquals(
    nameKey(parseName("WWW.Example.ORG")),
    nameKey(parseName("www.example.org")),
  );
  assertEquals(
    hashName(parseName("WWW.Example.ORG")),
    hashName(parseName("www.example.org")),
  );
  assert(nameKey(parseName("\\193.org")) !== nameKey(parseName("\\225.org")));
  assert(nameKey(parseName("[.org")) !== nameKey(parseName("{.org")));
});

Deno.test("a name is within itself and its ancestors, and within nothing that ends alike", () => {
  const name = parseName("www.Example.org");
  assert(isWithin(name, parseName("example.ORG")));
  assert(isWithin(name, name));
  assert(isWithin(name, ROOT));
  assert(!isWithin(name, parseName("ample.org")));
  assert(!isWithin(parseName("org"), name));
  assertEquals(formatName(parentName(name)), "Example.org.");
  assertEquals(parentName(ROOT), ROOT);
});

Deno.test("a compression pointer is followed, and reading goes on behind it (RFC 1035 section 4.1.4)", () => {
  const message = bytes(...HEADER, 3, "org", 0, 3, "www", 0xc0, 12, 9);
  assertEquals(readName(message, 17), {
    name: bytes(3, "www", 3, "org", 0),
    next: 23,
  });
});

Deno.test("no pointer leads anywhere but strictly backward", () => {
  for (
    const hostile of [
      bytes(0xc0, 12), // to itself
      bytes(0xc0, 14, 0xc0, 12), // forward, and back
      bytes(0xc0, 99), // past the end
      bytes(0xc0), // cut
    ]
  ) {
    assertThrows(() => readName(bytes(...HEADER, ...hostile), 12), WireError);
  }
  // Forward, but within what was read already: a loop through a label.
  assertThrows(
    () => readName(bytes(...HEADER, 1, "a", 0xc0, 12), 12),
    WireError,
    "backward",
  );
});

Deno.test("no pointer leads into the header, where no name is", () => {
  for (let target = 0; target < 12; target++) {
    assertThrows(
      () => readName(bytes(...HEADER, 1, "a", 0xc0, target), 12),
      WireError,
      "into the header",
    );
  }
});

Deno.test("a name that pointers make too long is refused", () => {
  const message: number[] = [...HEADER, 63, ...Array(63).fill(97), 0];
  let target = HEADER.length;
  for (let i = 0; i < 5; i++) {
    const at = message.length;
    message.push(63, ...Array(63).fill(97), 0xc0 | target >> 8, target & 0xff);
    target = at;
  }
  assertThrows(
    () => readName(Uint8Array.from(message), target),
    WireError,
    "too long",
  );
});

Deno.test("labels of a type that is neither a length nor a pointer are refused", () => {
  assertThrows(() => readName(bytes(0x40, 0), 0), WireError, "unknown type");
  assertThrows(() => readName(bytes(0x80, 0), 0), WireError, "unknown type");
});

Deno.test("no octets make reading a name fail with anything but WireError", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(300),
      (octets, offset) => {
        try {
          const { name, next } = readName(octets, offset);
          assert(name.length <= 255 && next <= octets.length);
        } catch (error) {
          assert(error instanceof WireError);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
