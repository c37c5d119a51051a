import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { HEADER_SIZE } from "../../../src/dns/wire/constants.ts";
import { hashName, parseName } from "../../../src/dns/wire/name.ts";
import type { Host } from "../../../src/dns/zone/hosts.ts";
import { reverseName, Zone } from "../../../src/dns/zone/zone.ts";

function packetOf(name: Uint8Array): Uint8Array {
  const packet = new Uint8Array(HEADER_SIZE + name.length);
  packet.set(name, HEADER_SIZE);
  return packet;
}

/** What the zone would answer for a name, all of it; nothing where it is not ours. */
function answersOf(zone: Zone, name: Uint8Array) {
  const local = zone.find(packetOf(name), hashName(name));
  if (local === undefined) return undefined;
  const { isOurs, isApex, ttl, hosts: { a, aaaa, all }, ptr } = local;
  const octets = [a, aaaa, ptr, zone.soaOf(local)].map((each) => [
    ...each.octets,
  ]);
  return { isOurs, isApex, ttl, octets, hosts: all.length };
}

function host(ttl: number, ...addresses: string[]): Host {
  return {
    addresses,
    ttl,
    summonable: { ready: true, summon: () => Promise.resolve() },
    usage: { note: () => {} },
  };
}

const NAMES = ["example", "www.example", "a.www.example", "b.www.example"]
  .map(parseName);
const ADDRESSES = ["192.0.2.1", "2001:db8::1"];

/** Something to put into the zone and to take out again. */
const entries = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(...NAMES),
    ttl: fc.integer({ min: 1, max: 4 }),
    address: fc.constantFrom(...ADDRESSES),
    stays: fc.boolean(),
  }),
  {
    selector: ({ name, ttl, address }) => [name, ttl, address].join(" "),
    maxLength: 12,
  },
);

Deno.test("what was taken out of the zone leaves no trace in its answers", () => {
  fc.assert(fc.property(entries, (all) => {
    const zone = new Zone(1), expected = new Zone(1);
    const hosts = all.map(({ ttl, address }) => host(ttl, address));
    for (const [i, { name, address, ttl }] of all.entries()) {
      zone.add(hosts[i], [name]);
      zone.addPointer(address, name, ttl);
    }
    for (const [i, { name, address, ttl, stays }] of all.entries()) {
      if (stays) continue;
      zone.remove(hosts[i].summonable, [name]);
      zone.removePointer(address, name, ttl);
    }
    for (const [i, { name, address, ttl, stays }] of all.entries()) {
      if (!stays) continue;
      expected.add(hosts[i], [name]);
      expected.addPointer(address, name, ttl);
    }
    for (const name of [...NAMES, ...ADDRESSES.map(reverseName)]) {
      assertEquals(answersOf(zone, name), answersOf(expected, name));
    }
  }));
});

Deno.test("a name is forgotten with its last host, and so is the zone above it", () => {
  const zone = new Zone(1);
  const [example, www] = NAMES;
  const first = host(60, "192.0.2.1"), second = host(30, "192.0.2.2");
  zone.add(first, [www]);
  zone.add(second, [www]);
  assertEquals(answersOf(zone, www)!.ttl, 30);
  zone.remove(second.summonable, [www]);
  assertEquals(answersOf(zone, www)!.ttl, 60);
  zone.remove(first.summonable, [www]);
  assertStrictEquals(answersOf(zone, www), undefined);
  assertStrictEquals(answersOf(zone, example), undefined);
});

Deno.test("a request is noted with each host, by the name's index among the names of that host", () => {
  const zone = new Zone(1);
  const noted: string[] = [];
  const hosts = ["first", "second", "third"].map((who) => ({
    ...host(60, "192.0.2.1"),
    usage: {
      note: (index: number, time: number) =>
        noted.push(`${who} ${index} ${time}`),
    },
  }));
  const [, www, a] = NAMES;
  zone.add(hosts[0], [a, www]);
  zone.add(hosts[1], [www]);
  zone.add(hosts[2], [parseName("other.example"), a, www]);
  const note = (time: number) => {
    noted.length = 0;
    zone.find(packetOf(www), hashName(www))!.note(time);
    return noted;
  };
  assertEquals(note(1), ["first 1 1", "second 0 1", "third 2 1"]);
  zone.remove(hosts[0].summonable, [a, www]);
  assertEquals(note(2), ["second 0 2", "third 2 2"]);
  zone.remove(hosts[1].summonable, [www]);
  assertEquals(note(3), ["third 2 3"]);
});
