import { assertEquals } from "@std/assert";
import { Capability } from "../../../src/dns/forward/capability.ts";

const MINUTE = 60_000;

Deno.test("one question, however often, says nothing of a server", () => {
  const capability = new Capability();
  for (let i = 0; i < 10; i++) {
    assertEquals(capability.lacking("www.example", i), false);
  }
  assertEquals(capability.isAssumed(10), true);
});

Deno.test("a server that fails at three questions is taken for unable for a quarter of an hour", () => {
  const capability = new Capability();
  assertEquals(
    ["a", "b", "c", "d"].map((each) => capability.lacking(each, 0)),
    [false, false, true, false],
  );
  assertEquals(capability.isAssumed(15 * MINUTE - 1), false);
  assertEquals(capability.isAssumed(15 * MINUTE), true);
});

Deno.test("a server that has ever shown that it can is never taken for unable", () => {
  const capability = new Capability();
  capability.shown();
  for (let i = 0; i < 10; i++) capability.lacking(`name${i}`, i);
  assertEquals(capability.isAssumed(10), true);
});

Deno.test("what a server shows ends what was believed of it", () => {
  const capability = new Capability();
  for (const each of ["a", "b", "c"]) capability.lacking(each, 0);
  assertEquals(capability.isAssumed(0), false);
  capability.shown();
  assertEquals(capability.isAssumed(0), true);
});
