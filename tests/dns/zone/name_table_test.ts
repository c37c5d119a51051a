import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { hashName, nameKey, parseName } from "../../../src/dns/wire/name.ts";
import { NameTable } from "../../../src/dns/zone/name_table.ts";
import { anyName, hostName } from "../messages.ts";

Deno.test("a name is found as it stands in a packet, whatever its case", () => {
  const table = new NameTable<string>();
  table.set(parseName("www.example.org"), "here");
  const packet = Uint8Array.of(1, 2, 3, ...parseName("WWW.example.ORG"), 9);
  assertEquals(
    table.find(packet, 3, hashName(parseName("www.example.org"))),
    "here",
  );
});

Deno.test("a table gives what a map by key would give, through any order of set and delete", () => {
  const step = fc.tuple(fc.oneof(hostName, anyName), fc.option(fc.nat()));
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const table = new NameTable<number>(), map = new Map<string, number>();
    for (const [name, value] of steps) {
      if (value === null) {
        assertEquals(table.delete(name), map.delete(nameKey(name)));
      } else {
        table.set(name, value);
        map.set(nameKey(name), value);
      }
      assertEquals(table.size, map.size);
    }
    for (const [name] of steps) {
      assertEquals(table.get(name), map.get(nameKey(name)));
    }
  }));
});

Deno.test("a hundred thousand names are all found", () => {
  const table = new NameTable<number>();
  for (let i = 0; i < 100_000; i++) {
    table.set(parseName(`vm${i}.example.org`), i);
  }
  for (let i = 0; i < 100_000; i += 997) {
    assertEquals(table.get(parseName(`VM${i}.example.org`)), i);
  }
  assertEquals(table.get(parseName("vm100000.example.org")), undefined);
});
