import { assert, assertEquals } from "@std/assert";
import { collectLog } from "../../collect_log.ts";
import { Upstream } from "../../../src/dns/forward/upstream.ts";

const SECOND = 1000;
const fresh = () => new Upstream({ address: "192.0.2.53", port: 53 });

Deno.test("nothing is known of a server that was never asked", () => {
  const server = fresh();
  assertEquals(server.works, false);
  assertEquals(server.roundTrip, Infinity);
  assertEquals(server.wantsProbe(0), true);
  assertEquals(server.lacks(0), []);
});

Deno.test("the round trip is smoothed, and patience follows from it (RFC 6298 section 2)", () => {
  const server = fresh();
  server.answered(100, 1000);
  assertEquals([server.roundTrip, server.patience], [100, 300]);
  server.answered(180, 2000);
  assertEquals(server.roundTrip, 110);
  assertEquals(server.patience, 110 + 4 * (50 + (80 - 50) / 4));
  for (let i = 0; i < 100; i++) server.answered(1, 3000);
  assertEquals(server.patience, 200);
  for (let i = 0; i < 100; i++) server.answered(5000, 3000);
  assertEquals(server.patience, 1500);
});

Deno.test("a round trip that was measured long ago counts no more", () => {
  const server = fresh();
  server.answered(100, 0);
  server.answered(10, 11 * SECOND);
  assertEquals(server.roundTrip, 10);
});

Deno.test("silence is a failure, and a reply the end of all failures", () => {
  const server = fresh();
  server.answered(10, 0);
  server.silent(1000, 1200);
  assertEquals([server.works, server.failures], [false, 1]);
  server.answered(10, 1300);
  assertEquals([server.works, server.failures], [true, 0]);
});

Deno.test("silence is no failure of a server that was heard of meanwhile", () => {
  const server = fresh();
  server.answered(10, 0);
  server.answered(10, 1100);
  server.silent(1000, 1200);
  assertEquals(server.works, true);
});

Deno.test("however many queries are under way when a server falls silent, it has failed once", () => {
  const server = fresh();
  server.answered(10, 0);
  for (let i = 0; i < 100; i++) server.silent(1000 + i, 1200 + i);
  assertEquals(server.failures, 1);
  server.silent(1250, 1400);
  assertEquals(server.failures, 2);
});

Deno.test("a server that fails is left alone for longer each time, up to a minute", () => {
  const server = fresh();
  let now = 0;
  for (const rest of [1, 2, 4, 8, 16, 32, 60, 60]) {
    server.failed(now);
    assert(!server.wantsProbe(now + rest * SECOND - 1), String(rest));
    now += rest * SECOND;
    assert(server.wantsProbe(now), String(rest));
  }
});

Deno.test("only different questions in a row without an answer make a server fail", () => {
  const server = fresh();
  server.answered(10, 0);
  for (let i = 0; i < 9; i++) server.unhelpful("odd", i);
  server.unhelpful("other", 10);
  server.answered(10, 11);
  server.unhelpful("third", 12);
  server.unhelpful("odd", 13);
  assertEquals([server.works, server.failures], [true, 0]);
  server.unhelpful("other", 14);
  assertEquals([server.works, server.failures], [false, 1]);
  server.unhelpful("fourth", 15);
  assertEquals(server.failures, 1);
});

Deno.test("only one query probes at a time", () => {
  const server = fresh();
  server.failed(0);
  assert(server.wantsProbe(SECOND));
  server.probed(SECOND);
  assert(!server.wantsProbe(SECOND));
  const working = fresh();
  working.answered(10, 0);
  assert(!working.wantsProbe(29 * SECOND));
  assert(working.wantsProbe(30 * SECOND));
  working.probed(30 * SECOND);
  assert(!working.wantsProbe(30 * SECOND));
  assertEquals([working.works, working.failures], [true, 0]);
});

Deno.test("what a server cannot do is told and logged once, and remembered for a quarter of an hour", () => {
  const server = fresh();
  const lines = collectLog("dns");
  for (const question of ["a", "a", "b", "c", "d"]) {
    server.lackedEdns(question, 0);
    server.lackedCase(question, 0);
  }
  assertEquals(lines.map((line) => line.split(":")[0]), [
    "WARN 192.0.2.53#53 does not know EDNS",
    "WARN 192.0.2.53#53 changes the case of questions",
  ]);
  const end = 15 * 60 * SECOND;
  assertEquals(server.lacks(end - 1), ["EDNS", "the case of questions"]);
  assertEquals(server.lacks(end), []);
});
