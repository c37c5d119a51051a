import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ValueError } from "../../../src/values/readers.ts";
import { readArgv } from "../../../src/backends/process/argv.ts";

Deno.test("a command is split at blanks", () => {
  assertEquals(readArgv("  solo5-hvt\t--mem=32  www.hvt "), [
    "solo5-hvt",
    "--mem=32",
    "www.hvt",
  ]);
});

Deno.test("quotes keep blanks and join with what stands beside them", () => {
  assertEquals(readArgv(`a 'b c' "d e" f'g 'h"i j" '' ""`), [
    "a",
    "b c",
    "d e",
    "fg hi j",
    "",
    "",
  ]);
});

Deno.test("a backslash takes the next character as it is, but not within single quotes", () => {
  assertEquals(readArgv(String.raw`a\ b \' \\ 'c\d' "e\"f" "g\h"`), [
    "a b",
    "'",
    "\\",
    "c\\d",
    'e"f',
    "g\\h",
  ]);
});

Deno.test("what only a shell understands is text", () => {
  assertEquals(readArgv("echo $HOME * > x | y && `z` # w ~"), [
    ..."echo $HOME * > x | y && `z` # w ~".split(" "),
  ]);
});

Deno.test("a command that is not whole says what is missing", () => {
  const cases: [string, string][] = [
    [
      "a 'b",
      "a program and its arguments: another ' is missing to close the one at character 3",
    ],
    [
      'a b"',
      'a program and its arguments: another " is missing to close the one at character 4',
    ],
    [
      "a \\",
      "a program and its arguments: a character is missing after the \\ at the end",
    ],
    ["  ", "a program and its arguments"],
    ["'' a", "a program and its arguments"],
  ];
  for (const [command, expected] of cases) {
    const error = assertThrows(() => readArgv(command), ValueError);
    assertEquals(error.message, expected, command);
  }
});

Deno.test("a real shell splits a command into the same words", () => {
  const character = fc.constantFrom("a", "ä", "=", " ", "\t", "'", '"', "\\");
  const text = fc.string({ unit: character, maxLength: 12 })
    .filter((text) => !text.endsWith("\\")); // which a shell takes for itself
  fc.assert(
    fc.property(text, (text) => {
      const { success, stdout } = new Deno.Command("/bin/sh", {
        args: ["-c", `set -- p ${text}\nprintf '%s\\0' "$@"`],
        stderr: "null",
      }).outputSync();
      if (!success) {
        assertThrows(() => readArgv(`p ${text}`), ValueError);
        return;
      }
      const words = new TextDecoder().decode(stdout).split("\0").slice(0, -1);
      assertEquals(readArgv(`p ${text}`), words);
    }),
    { numRuns: 300 },
  );
});
