import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { HEADER_SIZE } from "../../src/dns/constants.ts";
import { hashName, parseName } from "../../src/dns/name.ts";
import { type Host, reverseName, Zone } from "../../src/dns/zone.ts";

/** What the zone would answer for a name, all of it; nothing where it is not ours. */
function answersOf(zone: Zone, name: Uint8Array) {
  const packet = new Uint8Array(HEADER_SIZE + name.length);
  packet.set(name, HEADER_SIZE);
  const local = zone.find(packet, hashName(name));
  if (local === undefined) return undefined;
  const { isOurs, isApex, ttl, a, aaaa, ptr, soa } = local;
  const octets = [a, aaaa, ptr, soa].map((each) => [...each.octets]);
  return { isOurs, isApex, ttl, octets, hosts: local.hosts.length };
}

function host(ttl: number, ...addresses: string[]): Host {
  return {
    addresses,
    ttl,
    summonable: { ready: true, summon: () => Promise.resolve() },
    usage: { requests: 0, lastRequest: -Infinity },
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
      zone.add(name, hosts[i]);
      zone.addPointer(address, name, ttl);
    }
    for (const [i, { name, address, ttl, stays }] of all.entries()) {
      if (stays) continue;
      zone.remove(name, hosts[i].summonable);
      zone.removePointer(address, name, ttl);
    }
    for (const [i, { name, address, ttl, stays }] of all.entries()) {
      if (!stays) continue;
      expected.add(name, hosts[i]);
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
  zone.add(www, first);
  zone.add(www, second);
  assertEquals(answersOf(zone, www)!.ttl, 30);
  zone.remove(www, second.summonable);
  assertEquals(answersOf(zone, www)!.ttl, 60);
  zone.remove(www, first.summonable);
  assertStrictEquals(answersOf(zone, www), undefined);
  assertStrictEquals(answersOf(zone, example), undefined);
});
