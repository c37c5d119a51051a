import { assertEquals, assertRejects } from "@std/assert";
import { SingleFlight } from "../../../src/dns/forward/single_flight.ts";

Deno.test("who wants the same at the same time shares the work, who comes later starts anew", async () => {
  const flights = new SingleFlight<number>();
  const { promise, resolve } = Promise.withResolvers<number>();
  let started = 0;
  const start = () => (started++, promise);
  const first = flights.join("a", start), second = flights.join("a", start);
  const other = flights.join("b", start);
  assertEquals([started, flights.size], [2, 2]);
  resolve(7);
  assertEquals(await Promise.all([first, second, other]), [7, 7, 7]);
  assertEquals(flights.size, 0);
  await flights.join("a", start);
  assertEquals(started, 3);
});

Deno.test("work that fails fails for all who share it, and is not in the way of the next", async () => {
  const flights = new SingleFlight<number>();
  const fail = () => Promise.reject(new Error("no"));
  const both = [flights.join("a", fail), flights.join("a", fail)];
  for (const each of both) await assertRejects(() => each, Error, "no");
  assertEquals(await flights.join("a", () => Promise.resolve(1)), 1);
});
