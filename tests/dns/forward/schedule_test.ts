import { assert, assertEquals } from "@std/assert";
import { Schedule } from "../../../src/dns/forward/schedule.ts";
import { Upstream } from "../../../src/dns/forward/upstream.ts";

/** A schedule for servers that reply after about that many milliseconds; the clock is at 1000. */
function schedule(roundTrips: number[], deadline = 4500, probe?: number) {
  const servers = roundTrips.map((roundTrip, i) => {
    const server = new Upstream({ address: `192.0.2.${i + 1}`, port: 53 });
    server.answered(roundTrip, 0);
    return server;
  });
  const order = {
    servers,
    probe: probe === undefined ? undefined : servers[probe],
  };
  const turns = new Schedule(order, deadline);
  /** Who is asked now, by their places. */
  const ask = (now: number) =>
    turns.due(now).map((attempt) => {
      turns.sent(attempt, now);
      return turns.attempts.indexOf(attempt);
    });
  return { turns, ask, servers };
}

/** When who is asked, if nobody ever replies. */
function silence(...args: Parameters<typeof schedule>): [number, number[]][] {
  const { turns, ask } = schedule(...args);
  const asked: [number, number[]][] = [];
  for (let now = 1000; now < Infinity; now = turns.nextAt(now)) {
    const due = ask(now);
    if (due.length > 0) asked.push([now - 1000, due]);
  }
  return asked;
}

Deno.test("a single server that is silent is asked three times, after twice the wait each time", () => {
  assertEquals(silence([100]), [[0, [0]], [300, [0]], [900, [0]]]);
});

Deno.test("servers have their turns by their patience, and are asked again when all were", () => {
  assertEquals(silence([100, 10]), [
    [0, [0]],
    [300, [1]],
    [500, [0, 1]],
    [900, [1]],
    [1100, [0]],
  ]);
});

Deno.test("a probe is asked beside the first, and has no turn of its own", () => {
  const asked = silence([100, 100, 100], 4500, 1);
  assertEquals(asked.slice(0, 2), [[0, [0, 1]], [300, [2]]]);
});

Deno.test("however many and slow the servers, each has its turn within half of the time", () => {
  const asked = silence(Array(10).fill(1000), 4000).slice(0, 10);
  assertEquals(
    asked.map(([at]) => at),
    Array.from({ length: 10 }, (_, i) => 200 * i),
  );
});

Deno.test("one that is of no use is followed by the next at once", () => {
  const { turns, ask } = schedule([100, 100, 100]);
  assertEquals(ask(1000), [0]);
  turns.attempts[0].useless = "it fails";
  assertEquals(ask(1001), [1]);
  assertEquals(ask(1002), []);
  assertEquals(turns.isHopeless(1002), false);
});

Deno.test("when none is of use there is no hope", () => {
  const { turns, ask } = schedule([100, 100]);
  ask(1000);
  for (const attempt of turns.attempts) attempt.useless = "it fails";
  assert(turns.isHopeless(1001));
  assertEquals(ask(1001), []);
});

Deno.test("a silent server is waited for until its patience is over, and beyond if it works", () => {
  const { turns, ask, servers } = schedule([100, 100]);
  ask(1000);
  turns.attempts[0].useless = "it fails";
  ask(1001);
  assertEquals(turns.isHopeless(1300), false);
  servers[1].heard(1200); // by another exchange
  turns.due(1301);
  assertEquals(turns.isHopeless(1301), false);
  const dead = schedule([100, 100]);
  dead.ask(1000);
  dead.turns.attempts[0].useless = "it fails";
  dead.ask(1001);
  dead.turns.due(1301);
  assertEquals(dead.turns.isHopeless(1301), true);
});

Deno.test("a server that is asked over TCP is neither asked again over UDP nor given up", () => {
  const { turns, ask } = schedule([100, 100]);
  ask(1000);
  turns.attempts[0].overTcp = true;
  assertEquals(ask(1300), [1]);
  assertEquals(ask(1600), [1]);
  turns.attempts[1].useless = "it fails";
  assertEquals(turns.isHopeless(9000), false);
});
