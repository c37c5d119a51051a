/** What Jitsu relies on of `parseArgs`. These tests hold for upstream's package as for the stand-in. */
import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

/** Options of every kind, and what `unknown` was called with; options it is called for are left out. */
function parse(...args: string[]) {
  const unknown: unknown[][] = [];
  const parsed: Record<string, unknown> = parseArgs(args, {
    string: ["bind", "mode"],
    boolean: ["version"],
    collect: ["bind"],
    alias: { bind: ["b"], mode: ["m"] },
    unknown: (...call) => {
      unknown.push(call);
      return call.length === 1;
    },
  });
  return { parsed, unknown };
}

Deno.test("options are absent, booleans false and collected ones empty when nothing is given", () => {
  assertEquals(parse(), {
    parsed: { _: [], version: false, bind: [], b: [] },
    unknown: [],
  });
});

Deno.test("a value stands after = or in the next word, for the long and the short name", () => {
  for (const args of [["--mode=x"], ["--mode", "x"], ["-m=x"], ["-m", "x"]]) {
    const { parsed } = parse(...args);
    assertEquals([parsed.mode, parsed.m], ["x", "x"], args.join(" "));
  }
});

Deno.test("a value keeps what comes after its first =", () => {
  assertEquals(parse("--mode=a=b=").parsed.mode, "a=b=");
});

Deno.test("a value of several lines stays whole", () => {
  assertEquals(parse("--mode=a\nb").parsed.mode, "a\nb");
});

Deno.test("a string option's value is not read as a number", () => {
  assertEquals(parse("-m", "010").parsed.mode, "010");
  assertEquals(parse("--mode=1e3").parsed.mode, "1e3");
});

Deno.test("a string option without a value is the empty string", () => {
  assertEquals(parse("--mode").parsed.mode, "");
  assertEquals(parse("-m").parsed.mode, "");
  assertEquals(parse("--mode=").parsed.mode, "");
});

Deno.test("a word that begins with - is no option's value", () => {
  assertEquals(parse("--mode", "-b", "x").parsed, {
    _: [],
    version: false,
    mode: "",
    m: "",
    bind: ["x"],
    b: ["x"],
  });
});

Deno.test("a value that begins with - can be given after =", () => {
  assertEquals(parse("--mode=-1").parsed.mode, "-1");
});

Deno.test("a collected option keeps every value in order", () => {
  assertEquals(parse("-b", "1", "--bind=2", "--bind", "3").parsed.bind, [
    "1",
    "2",
    "3",
  ]);
});

Deno.test("of an option that is not collected the last value counts", () => {
  assertEquals(parse("-m", "1", "--mode=2").parsed.mode, "2");
});

Deno.test("a boolean option takes no word but true and false", () => {
  assertEquals(parse("--version", "x").parsed.version, true);
  assertEquals(parse("--version", "x").parsed._, ["x"]);
  assertEquals(parse("--version", "false").parsed.version, false);
  assertEquals(parse("--version", "false").parsed._, []);
});

Deno.test("unknown is called with each positional alone, in order, unless it comes after --", () => {
  assertEquals(parse("x", "--version", "10", "", "--", "y", "-z", "11"), {
    parsed: {
      _: ["x", 10, "", "y", "-z", "11"],
      version: true,
      bind: [],
      b: [],
    },
    unknown: [["x"], ["10"], [""]],
  });
});

Deno.test("unknown is called with an option nobody declared, which takes the next word with it", () => {
  assertEquals(parse("--delya", "0.3", "x").unknown, [
    ["--delya", "delya", "0.3"],
    ["x"],
  ]);
  assertEquals(parse("--delya=0.3").unknown, [
    ["--delya=0.3", "delya", "0.3"],
  ]);
  assertEquals(parse("-z").unknown, [["-z", "z", true]]);
});

Deno.test("an option nobody declared is left out when unknown says so", () => {
  assertEquals(parse("--a.b=1", "-z").parsed, parse().parsed);
});

Deno.test("--no-NAME is an option of its own", () => {
  assertEquals(parse("--no-version").unknown, [
    ["--no-version", "no-version", true],
  ]);
});

Deno.test("names that every object has are options nobody declared", () => {
  for (
    const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]
  ) {
    const { parsed, unknown } = parse(`--${name}=x`);
    assertEquals(unknown, [[`--${name}=x`, name, "x"]]);
    assertEquals(parsed, parse().parsed);
  }
  assertEquals(parse("--__proto__.polluted=x").unknown.length, 1);
  parseArgs(["--__proto__.polluted=x", "--constructor.prototype.polluted=x"]);
  assertEquals("polluted" in {}, false);
});
