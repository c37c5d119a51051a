import { assert, assertEquals, assertGreater } from "@std/assert";
import { Upstream } from "../../../src/dns/forward/upstream.ts";
import { orderOf } from "../../../src/dns/forward/upstream_order.ts";

const SECOND = 1000;

/** Servers by what their round trips are; one that is `undefined` was never asked. */
function servers(...roundTrips: (number | undefined)[]): Upstream[] {
  return roundTrips.map((roundTrip, i) => {
    const server = new Upstream({ address: `192.0.2.${i + 1}`, port: 53 });
    if (roundTrip !== undefined) server.answered(roundTrip, 0);
    return server;
  });
}

/** The order, by each server's place in the list that was given. */
function order(all: Upstream[], now = 0, random = 0) {
  const { servers, probe } = orderOf(all, now, () => random);
  return {
    servers: servers.map((each) => all.indexOf(each)),
    probe: probe && all.indexOf(probe),
  };
}

Deno.test("one server is asked, and never beside itself", () => {
  assertEquals(order(servers(undefined)), { servers: [0], probe: undefined });
});

Deno.test("servers that nothing is known of are asked in the order they were given, the first two at once", () => {
  const all = servers(undefined, undefined, undefined);
  assertEquals(order(all), { servers: [0, 1, 2], probe: 1 });
  assertEquals(order(all), { servers: [0, 2, 1], probe: 2 });
  assertEquals(order(all).probe, undefined);
});

Deno.test("fast servers come first, those that failed last", () => {
  const all = servers(90, 20, 50, 200);
  all[1].failed(0);
  assertEquals(order(all), { servers: [2, 0, 3, 1], probe: undefined });
});

Deno.test("servers that are about as fast share the load, slower ones do not", () => {
  const all = servers(12, 3, 14, 30);
  const first = (random: number) => order(all, 0, random).servers[0];
  assertEquals([first(0), first(0.5), first(0.99)], [1, 0, 0]);
  const far = servers(100, 140, 160);
  const farFirst = (random: number) => order(far, 0, random).servers[0];
  assertEquals([farFirst(0), farFirst(0.99)], [0, 1]);
});

Deno.test("a server that rests is probed beside a fast one when its rest is over, by one query", () => {
  const all = servers(10, 10);
  all[0].failed(0);
  assertEquals(order(all, 999), { servers: [1, 0], probe: undefined });
  assertEquals(order(all, 1000), { servers: [1, 0], probe: 0 });
  assertEquals(order(all, 1000), { servers: [1, 0], probe: undefined });
});

/** Asks again and again for ten minutes; what each server replies after, if at all, may change with time. */
function simulate(
  all: Upstream[],
  roundTripOf: (server: number, now: number) => number | undefined,
) {
  const waited: number[] = [], winners: number[] = [];
  for (let now = 0; now < 600 * SECOND; now += 100) {
    const { servers, probe } = orderOf(all, now);
    let best = Infinity, winner = -1, asked = 0;
    for (const server of servers) {
      const i = all.indexOf(server), roundTrip = roundTripOf(i, now);
      const isProbe = server === probe;
      const at = isProbe ? 0 : asked;
      if (at >= best) continue;
      if (roundTrip !== undefined && at + roundTrip < best) {
        best = at + roundTrip;
        winner = i;
      }
      if (!isProbe) asked += server.patience;
      if (roundTrip === undefined && !isProbe && asked < best) {
        server.silent(now + at, now + asked);
      }
    }
    if (winner >= 0) {
      all[winner].answered(roundTripOf(winner, now)!, now + best);
    }
    waited.push(best);
    winners.push(winner);
  }
  return { waited, winners };
}

Deno.test("a dead first server costs no query its interval", () => {
  const { waited } = simulate(
    servers(undefined, undefined),
    (server) => server === 0 ? undefined : 20,
  );
  assertEquals(waited.filter((time) => time > 20), []);
});

Deno.test("a server that dies costs one query a wait, and none after that", () => {
  const { waited } = simulate(
    servers(10, 25),
    (server, now) =>
      server === 0 && now > 60 * SECOND ? undefined : 10 + server,
  );
  const slow = waited.map((time, i) => ({ time, i })).filter(({ time }) =>
    time > 25
  );
  assert(slow.length <= 1, JSON.stringify(slow));
});

Deno.test("a server that comes back faster than the other is found out and preferred", () => {
  const { winners } = simulate(
    servers(100, undefined),
    (server, now) => server === 0 ? 100 : now > 300 * SECOND ? 5 : undefined,
  );
  assertEquals(new Set(winners.slice(0, 3000)), new Set([0]));
  assertEquals(new Set(winners.slice(-1000)), new Set([1]));
});

Deno.test("a server that becomes slow is left for the other, and one that becomes fast is noticed", () => {
  const { winners } = simulate(
    servers(10, 60),
    (server, now) => server === 1 ? 60 : now < 300 * SECOND ? 10 : 150,
  );
  assertEquals(new Set(winners.slice(100, 2900)), new Set([0]));
  const late = winners.slice(-1000);
  assertGreater(late.filter((each) => each === 1).length, 990);
});
