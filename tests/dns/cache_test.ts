import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Cache } from "../../src/dns/cache.ts";
import { DO, Flag, Type } from "../../src/dns/constants.ts";
import { type Resolution, withoutRecords } from "../../src/dns/resolution.ts";
import { clientQuery, optRecord } from "./queries.ts";

/** An answer with that many octets of records. */
function resolution(octets = 0): Resolution {
  const answer = { count: 1, octets: new Uint8Array(octets) };
  return { ...withoutRecords(0, []), answer };
}

/** A cache asked by name; all names may be given the same hash. */
function setUp(capacity: number, collide = false) {
  const cache = new Cache(capacity);
  const read = (...args: Parameters<typeof clientQuery>) => {
    const { packet, query } = clientQuery(...args);
    if (collide) query.hash = 1;
    return [packet, query] as const;
  };
  return {
    cache,
    find: (...args: Parameters<typeof clientQuery>) =>
      cache.find(...read(...args))?.resolution,
    put: (
      value: Resolution,
      ...args: Parameters<typeof clientQuery>
    ) => cache.put(...read(...args), value, 0, 1000),
  };
}

Deno.test("what was put is found by the same question in any case, and by no other", () => {
  const { cache, find, put } = setUp(10);
  const value = resolution();
  put(value, "Www.Example.org", Type.HTTPS);
  assert(find("wWW.example.ORG", Type.HTTPS) === value);
  const { packet, query } = clientQuery("www.example.org", Type.HTTPS);
  const { storedAt, expiresAt } = cache.find(packet, query)!;
  assertEquals([storedAt, expiresAt], [0, 1000]);
  const others: Parameters<typeof clientQuery>[] = [
    ["www.example.org", Type.HTTPS ^ 0x20],
    ["www.example.org", Type.A],
    ["example.org", Type.HTTPS],
    ["www.example.orga", Type.HTTPS],
    ["www\\.example.org", Type.HTTPS],
    ["www.example.org", Type.HTTPS, { flags: Flag.CD }],
    ["www.example.org", Type.HTTPS, { additionals: [optRecord(DO)] }],
    ["www.example.org", Type.HTTPS, {
      questions: [{ ...questionOf("www.example.org"), class: 3 }],
    }],
  ];
  for (const other of others) assertEquals(find(...other), undefined);
  assert(
    find("www.example.org", Type.HTTPS, { additionals: [optRecord()] }) ===
      value,
  );
});

function questionOf(name: string) {
  const { packet } = clientQuery(name, Type.HTTPS);
  return { name: packet.slice(12, -4), type: Type.HTTPS };
}

Deno.test("questions with the same hash are told apart", () => {
  const { find, put } = setUp(10, true);
  const values = ["a", "b", "c"].map((name) => {
    const value = resolution();
    put(value, name);
    return value;
  });
  assert(find("a") === values[0] && find("c") === values[2]);
  assertEquals(find("d"), undefined);
});

Deno.test("the answers used last are kept, whatever is put and asked for", () => {
  const step = fc.record({
    name: fc.constantFrom(..."abcdefghij"),
    kind: fc.constantFrom("find", "find", "put", "put", "clear"),
  });
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 6 }),
    fc.boolean(),
    fc.array(step, { maxLength: 60 }),
    (capacity, collide, steps) => {
      const { cache, find, put } = setUp(capacity, collide);
      const model = new Map<string, Resolution>(); // the one used longest ago first
      for (const { name, kind } of steps) {
        if (kind === "clear") {
          cache.clear();
          model.clear();
        } else if (kind === "put") {
          const value = resolution(name.charCodeAt(0));
          put(value, name);
          model.delete(name);
          model.set(name, value);
          if (model.size > capacity) {
            model.delete(model.keys().next().value!);
          }
        } else {
          const value = model.get(name);
          assert(find(name) === value);
          if (value === undefined) continue;
          model.delete(name);
          model.set(name, value);
        }
        assertEquals(cache.size, model.size);
        const octets = [...model].reduce(
          (sum, [name]) => sum + name.charCodeAt(0) + 8,
          0,
        );
        assertEquals(cache.octets, octets);
      }
      for (const [name, value] of model) assert(find(name) === value);
    },
  ));
});

Deno.test("large answers make more than one way, and never take more than their share of memory", () => {
  const { cache, find, put } = setUp(100);
  for (let i = 0; i < 100; i++) put(resolution(100), `small${i}.example`);
  assertEquals(cache.size, 100);
  for (let i = 0; i < 10; i++) {
    put(resolution(60_000), `large${i}.example`);
    assert(cache.octets <= 100 * 1024);
  }
  assert(find("large9.example") !== undefined);
  assertEquals(find("large8.example"), undefined);
  assertEquals(find("small50.example"), undefined);
});

Deno.test("an answer larger than the whole cache is not kept, and an older one to the question is gone", () => {
  const { cache, find, put } = setUp(10);
  put(resolution(), "a.example");
  put(resolution(), "b.example");
  put(resolution(20_000), "a.example");
  assertEquals(find("a.example"), undefined);
  assertEquals(cache.size, 1);
});

Deno.test("names that somebody chose to have one hash do not make a long chain", () => {
  const { cache, find, put } = setUp(10_000, true);
  for (let i = 0; i < 1000; i++) put(resolution(), `${i}.example`);
  assertEquals(cache.size, 16);
  assert(find("999.example") !== undefined);
});

Deno.test("many answers are all found, and replaced again and again", () => {
  const { cache, find, put } = setUp(10_000);
  for (let i = 0; i < 35_000; i++) put(resolution(10), `host${i}.example`);
  assertEquals(cache.size, 10_000);
  for (let i = 25_000; i < 35_000; i += 97) {
    assert(find(`host${i}.example`) !== undefined, String(i));
  }
  assertEquals(find("host24999.example"), undefined);
});
