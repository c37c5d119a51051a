import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  formatConfig,
  isCutOff,
  parseConfig,
} from "../../../src/cli/read/config.ts";

const pairs = (text: string) =>
  parseConfig(text).pairs.map(({ key, value }) => [key, value]);

Deno.test("a CONFIG is keys and values in order, keys as often as given", () => {
  assertEquals(parseConfig("dns=a,ip=10.0.0.1,dns=b"), {
    pairs: [
      { key: "dns", value: "a" },
      { key: "ip", value: "10.0.0.1" },
      { key: "dns", value: "b" },
    ],
    problems: [],
  });
});

Deno.test("a value goes from the first = to the comma", () => {
  assertEquals(pairs("env=A=1=2,x="), [["env", "A=1=2"], ["x", ""]]);
});

Deno.test("a backslash escapes a comma and a backslash, and nothing else", () => {
  assertEquals(pairs("c=a\\,b,d=e"), [["c", "a,b"], ["d", "e"]]);
  assertEquals(pairs("c=a\\\\,d=e"), [["c", "a\\"], ["d", "e"]]);
  assertEquals(pairs("c=a\\\\\\,b"), [["c", "a\\,b"]]);
  assertEquals(pairs("c=printf \\n \\$HOME\\"), [[
    "c",
    "printf \\n \\$HOME\\",
  ]]);
});

Deno.test("white space after a comma is dropped, any other is kept", () => {
  assertEquals(pairs(" dns=a,\n  ip=b ,c= d"), [
    ["dns", "a"],
    ["ip", "b "],
    ["c", " d"],
  ]);
});

Deno.test("three fields without keys are dns, ip and name", () => {
  assertEquals(pairs("www.example.org,10.0.0.1,www\\,1"), [
    ["dns", "www.example.org"],
    ["ip", "10.0.0.1"],
    ["name", "www,1"],
  ]);
});

Deno.test("each field that is neither is told", () => {
  assertEquals(parseConfig("dns=a,b,=c,d=e"), {
    pairs: [{ key: "dns", value: "a" }, { key: "d", value: "e" }],
    problems: [
      '"b" is not key=value (a comma in a value is written \\,)',
      '"=c" is not key=value (a comma in a value is written \\,)',
    ],
  });
  for (const text of ["", "a", "a,b", "a,b,c,d", ",", "-"]) {
    assertEquals(parseConfig(text), {
      pairs: [],
      problems: [`"${text}" is neither key=value,... nor dns,ip,name`],
    });
  }
});

Deno.test("a comma with nothing behind it is told", () => {
  for (const text of ["dns=a,,ip=b", "dns=a,ip=b,", ",dns=a,ip=b"]) {
    assertEquals(parseConfig(text).problems, [
      "there is a comma too many: a field is empty",
    ]);
  }
});

Deno.test("a CONFIG is cut off where it ends in a comma that is not escaped", () => {
  assert(isCutOff("dns=a,"));
  assert(isCutOff("dns=a\\\\,"));
  assert(isCutOff(","));
  for (const text of ["dns=a", "dns=a\\,", ""]) assert(!isCutOff(text));
});

Deno.test("a CONFIG made of any pairs is read back as they were", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.stringMatching(/^[a\\,= ]*$/),
  );
  const pair = fc.record({
    key: text.filter((key) => /^[^\s=][^=]*$/.test(key)),
    value: text,
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(pair, { minLength: 1 }), (pairs) => {
      assertEquals(parseConfig(formatConfig(pairs)), { pairs, problems: [] });
    }),
  );
});

Deno.test("every field of any text is a pair or a problem", () => {
  fc.assert(fc.property(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.stringMatching(/^[a\\,=\s]*$/),
    ),
    (text) => {
      const { pairs, problems } = parseConfig(text);
      assert(pairs.length + problems.length > 0);
      for (const problem of problems) assert(!/[\r\n]/.test(problem));
    },
  ));
});
