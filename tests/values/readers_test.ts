import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  readBoolean,
  readChoice,
  readDirectory,
  readSeconds,
  readStale,
  readText,
  readUuid,
  ValueError,
} from "../../src/values/readers.ts";
import { assertReads, assertRefuses } from "./assert.ts";

Deno.test("a truth value is true, false, 1 or 0 in any case", () => {
  assertReads(readBoolean, {
    true: true,
    TRUE: true,
    "1": true,
    False: false,
    "0": false,
  });
  for (const text of ["", "yes", "2", "01", " 1", "truetrue"]) {
    assertThrows(() => readBoolean(text), ValueError, "true, false, 1 or 0");
  }
});

Deno.test("seconds may have a fraction and an exponent", () => {
  assertReads(readSeconds, {
    "0": 0,
    "0.1": 0.1,
    ".5": 0.5,
    "2.": 2,
    "1e-1": 0.1,
    "1E2": 100,
    "2147483": 2147483,
  });
});

Deno.test("seconds that no timer can wait for are refused", () => {
  for (
    const text of [
      "",
      "-1",
      "-0.1",
      "2147484",
      "1e400",
      "Infinity",
      "NaN",
      ".",
      "1s",
      "0x1",
      "1_0",
    ]
  ) {
    assertThrows(
      () => readSeconds(text),
      ValueError,
      "a number of seconds (0 to 2147483)",
      text,
    );
  }
});

Deno.test("a choice is one of its words, and the nearest is suggested", () => {
  const read = readChoice(["destroy", "suspend"]);
  assertEquals(read("suspend"), "suspend");
  assertRefuses(read, {
    destory: "one of destroy, suspend; did you mean destroy?",
    susp: "did you mean suspend?",
    Destroy: "did you mean destroy?",
  });
  assertEquals(
    assertThrows(() => read("constructor"), ValueError).message,
    "one of destroy, suspend",
  );
});

Deno.test("a text is anything but empty", () => {
  assertEquals(readText(" "), " ");
  assertThrows(() => readText(""), ValueError);
});

Deno.test("a UUID is read with and without hyphens, in any case", () => {
  const uuid = "6e696eb7-09f4-484c-981b-8d34efa0304d";
  assertReads(readUuid, {
    [uuid]: uuid,
    [uuid.toUpperCase()]: uuid,
    [uuid.replaceAll("-", "")]: uuid,
  });
  for (
    const text of [
      "",
      "www",
      uuid + "0",
      uuid.slice(1),
      `{${uuid}}`,
      "-" + uuid,
    ]
  ) assertThrows(() => readUuid(text), ValueError, "a UUID", text);
});

Deno.test("expired answers are given out for a week at the most", () => {
  assertReads(readStale, { "1": 1, "604800": 604800 });
  assertRefuses(readStale, { "0": "1 to 604800", "604801": "1 to 604800" });
});

Deno.test("no text makes a reader throw anything but a ValueError", () => {
  const readers = [
    readBoolean,
    readSeconds,
    readStale,
    readText,
    readUuid,
  ];
  fc.assert(fc.property(
    fc.oneof(fc.string({ unit: "binary" }), fc.ipV4(), fc.ipV6(), fc.uuid()),
    fc.constantFrom(...readers),
    (text, read) => {
      try {
        read(text);
      } catch (error) {
        assert(error instanceof ValueError);
      }
    },
  ));
});

Deno.test("a directory that a unit or a script would read otherwise is refused", () => {
  assertEquals(readDirectory("/opt/jitsu-0.4_1+a@b/"), "/opt/jitsu-0.4_1+a@b");
  for (
    const text of ["opt", "/a b", "/%h", "/$HOME", '/"', "/a\nExecStart=x"]
  ) {
    assertThrows(() => readDirectory(text), ValueError, "an absolute path");
  }
});
