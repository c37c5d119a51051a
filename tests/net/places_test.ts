import { assert, assertEquals } from "@std/assert";
import { parseAddress } from "../../src/net/address.ts";
import { Places } from "../../src/net/places.ts";

/** Places whose takers are known by what they were called, and a clock that moves only when told. */
function placesFor(max: number) {
  const clock = { now: 0 };
  const places = new Places(max, () => clock.now);
  const lost: string[] = [];
  const take = (name: string, client: string, domain = "") =>
    places.take(parseAddress(client)!, domain, () => lost.push(name));
  const fill = (
    name: string,
    count: number,
    client: (i: number) => string,
    domain?: (i: number) => string,
  ) => {
    for (let i = 0; i < count; i++) {
      assert(take(`${name}${i}`, client(i), domain?.(i)), `${name}${i}`);
    }
  };
  return { places, clock, lost, take, fill };
}

Deno.test("as long as there are places, one client may have them all", () => {
  const { places, lost, fill } = placesFor(100);
  fill("a", 100, () => "192.0.2.1");
  assertEquals([places.taken, lost], [100, []]);
});

Deno.test("when all are taken, another client gets a place, and who has the most loses his oldest", () => {
  const { places, lost, take, fill } = placesFor(100);
  fill("few", 10, () => "203.0.113.1");
  fill("many", 90, () => "192.0.2.1");
  assert(take("new", "198.51.100.1"));
  assertEquals(lost, ["many0", "many1"]);
  assertEquals(places.taken, 99);
});

Deno.test("who has the most gets a place only for one of his own that is not young", () => {
  const { clock, lost, take, fill } = placesFor(100);
  fill("few", 10, () => "203.0.113.1");
  fill("many", 90, () => "192.0.2.1");
  assertEquals(take("new", "192.0.2.1"), undefined);
  clock.now += 1000;
  assert(take("new", "192.0.2.1"));
  assertEquals(lost, ["many0", "many1"]);
});

Deno.test("neighbours in one network are told apart as long as one of them has the most", () => {
  for (
    const [greedy, modest] of [
      ["192.0.2.1", "192.0.2.2"],
      ["2001:db8:0:1::1", "2001:db8:0:2::1"],
    ]
  ) {
    const { lost, take, fill } = placesFor(64);
    fill("modest", 4, () => modest);
    fill("greedy", 60, () => greedy);
    assert(take("new", modest));
    assertEquals(lost, ["greedy0"]);
  }
});

Deno.test("all addresses of an IPv6 network of 64 bits are one client", () => {
  const { lost, take, fill } = placesFor(64);
  fill("other", 4, () => "2001:db8:1::1");
  fill("greedy", 60, (i) => `2001:db8::${i.toString(16)}:1`);
  assert(take("new", "2001:db8:2::1"));
  assertEquals(lost, ["greedy0"]);
});

Deno.test("a flood from everywhere about one domain loses its own places, not those of a client with many", () => {
  const { lost, take, fill } = placesFor(640);
  fill("local", 40, () => "127.0.0.1", (i) => `${i}.example`);
  fill("flood", 600, (i) => `10.${i >> 8}.${i & 255}.1`, () => "evil.example");
  assert(take("new", "127.0.0.1", "good.example"));
  assertEquals(lost.length, 10);
  assert(lost.every((name) => name.startsWith("flood")), lost.join());
});

Deno.test("a client that is busy with one domain loses places of that one first", () => {
  const { lost, take, fill, clock } = placesFor(64);
  fill("good", 14, () => "127.0.0.1", (i) => `${i}.example`);
  fill("slow", 50, () => "127.0.0.1", () => "slow.example");
  clock.now += 1000;
  assert(take("new", "127.0.0.1", "better.example"));
  assertEquals(lost, ["slow0"]);
});

Deno.test("a place that was used just now is the youngest again", () => {
  const { lost, take, fill } = placesFor(3);
  const first = take("first", "192.0.2.1")!;
  fill("later", 2, () => "192.0.2.1");
  first.touch();
  assert(take("new", "203.0.113.1"));
  assertEquals(lost, ["later0"]);
});

Deno.test("a place that another waits for too is held by the one who has fewer", () => {
  const { lost, take, fill } = placesFor(64);
  const shared = take("shared", "192.0.2.1")!;
  fill("many", 63, () => "192.0.2.1");
  shared.share(parseAddress("203.0.113.1")!);
  assert(take("new", "198.51.100.1"));
  assertEquals(lost, ["many0"]);
});

Deno.test("a place that was left is free, and left only once", () => {
  const { places, take } = placesFor(2);
  const place = take("a", "192.0.2.1")!;
  take("b", "192.0.2.1");
  place.leave();
  place.leave();
  place.touch();
  place.share(parseAddress("203.0.113.1")!);
  assertEquals(places.taken, 1);
  assert(take("c", "192.0.2.1"));
  assertEquals(places.taken, 2);
});
