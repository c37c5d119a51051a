import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Cache } from "../../../src/dns/forward/cache.ts";
import { DO, Flag, Type } from "../../../src/dns/wire/constants.ts";
import {
  type Resolution,
  withoutRecords,
} from "../../../src/dns/forward/resolution.ts";
import { clientQuery, optRecord } from "../queries.ts";

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
      cache.get(...read(...args))?.resolution,
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
  const { storedAt, expiresAt } = cache.get(packet, query)!;
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

/** SIEVE as its paper has it, with a list of names, the oldest first. */
class Model {
  readonly #capacity: number;
  readonly values = new Map<string, { value: Resolution; visited: boolean }>();
  #hand: string | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  find(name: string): Resolution | undefined {
    const known = this.values.get(name);
    if (known !== undefined) known.visited = true;
    return known?.value;
  }

  put(name: string, value: Resolution): void {
    this.#delete(name);
    if (this.values.size === this.#capacity) {
      const names = [...this.values.keys()];
      let i = this.#hand === undefined ? 0 : names.indexOf(this.#hand);
      while (this.values.get(names[i])!.visited) {
        this.values.get(names[i])!.visited = false;
        i = (i + 1) % names.length;
      }
      this.#hand = names[i];
      this.#delete(names[i]);
    }
    this.values.set(name, { value, visited: false });
  }

  clear(): void {
    this.values.clear();
    this.#hand = undefined;
  }

  #delete(name: string): void {
    if (this.#hand === name) {
      const names = [...this.values.keys()];
      this.#hand = names[names.indexOf(name) + 1];
    }
    this.values.delete(name);
  }
}

Deno.test("answers make way as SIEVE says, whatever is put and asked for, and never are more than there is room for", () => {
  const step = fc.record({
    name: fc.constantFrom(..."abcdefghij"),
    kind: fc.constantFrom(..."find find find put put put clear".split(" ")),
  });
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 6 }),
    fc.boolean(),
    fc.array(step, { minLength: 20, maxLength: 80 }),
    (capacity, collide, steps) => {
      const { cache, find, put } = setUp(capacity, collide);
      const model = new Model(capacity);
      for (const { name, kind } of steps) {
        if (kind === "clear") {
          cache.clear();
          model.clear();
        } else if (kind === "put") {
          const value = resolution(name.charCodeAt(0));
          put(value, name);
          model.put(name, value);
        } else {
          assert(find(name) === model.find(name));
        }
        assertEquals(cache.size, model.values.size);
        assert(cache.size <= capacity);
        const octets = [...model.values.keys()].reduce(
          (sum, name) => sum + name.charCodeAt(0) + 8,
          0,
        );
        assertEquals(cache.octets, octets);
      }
      for (const [name, { value }] of model.values) {
        assert(find(name) === value);
      }
    },
  ));
});

Deno.test("what is asked for again and again stays, whatever else comes by once", () => {
  const { find, put } = setUp(100);
  for (let i = 0; i < 10; i++) put(resolution(), `popular${i}.example`);
  for (let i = 0; i < 10_000; i++) {
    put(resolution(), `once${i}.example`);
    assert(find(`popular${i % 10}.example`) !== undefined, String(i));
  }
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

Deno.test("an answer is fresh from when it was put until it expires, and has its age", () => {
  const { cache } = setUp(10);
  const { packet, query } = clientQuery("a.example");
  cache.put(packet, query, resolution(), 5000, 9000);
  const ageAt = (now: number) => cache.fresh(packet, query, now)?.age;
  assertEquals([4999, 5000, 5999, 6000, 8999, 9000].map(ageAt), [
    undefined,
    0,
    0,
    1,
    3,
    undefined,
  ]);
  assert(cache.get(packet, query) !== undefined);
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

/** FNV-1a, which whoever wants names to collide can compute for himself. */
function fnv(name: Uint8Array): number {
  return name.reduce(
    (hash, octet) => Math.imul(hash ^ octet, 0x01000193),
    0x811c9dc5 | 0,
  );
}

Deno.test("names and types that somebody made to share a place do not push out an answer", () => {
  const capacity = 1024, places = capacity - 1;
  const { find, put } = setUp(capacity);
  const hot = resolution();
  put(hot, "hot.example");
  const place = fnv(questionOf("hot.example").name) & places;
  for (let i = 0, made = 0; made < 40; i++) {
    const name = `x${i}.example`;
    if ((fnv(questionOf(name).name) & places) !== place) continue;
    put(resolution(), name);
    made++;
  }
  // Types whose low bits are the same, whatever the hash of the name is.
  for (let i = 1; i < 60; i++) put(resolution(), "hot.example", 1 + 1024 * i);
  assert(find("hot.example") === hot);
});
