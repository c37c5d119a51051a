import { assertEquals } from "@std/assert";
import { HeldSyns, MAX_HELD } from "../../src/catch/held_syns.ts";

Deno.test("of each connection the last SYN is kept, and given out once, in the order of the first ones", () => {
  let now = 0;
  const held = new HeldSyns<string>(() => now++);
  held.keep("a", "a1");
  held.keep("b", "b1");
  held.keep("a", "a2");
  assertEquals(held.take(), ["a2", "b1"]);
  assertEquals(held.take(), []);
});

Deno.test("when it is full, the connection that was heard of longest ago makes room", () => {
  let now = 0;
  const held = new HeldSyns<number>(() => now++ / MAX_HELD);
  for (let i = 0; i < MAX_HELD; i++) held.keep(String(i), i);
  held.keep("0", -1); // heard of again
  held.keep("new", MAX_HELD);
  const taken = held.take();
  assertEquals(taken.length, MAX_HELD);
  assertEquals(taken.slice(0, 2), [-1, 2]);
  assertEquals(taken.at(-1), MAX_HELD);
});

Deno.test("a client that sends its SYN again as it must is waited for, one that does not is not", () => {
  let now = 0;
  const held = new HeldSyns<string>(() => now);
  // Linux: 1 s, and twice as long after each.
  for (const at of [0, 1000, 3000, 7000, 15_000, 31_000]) {
    now = at;
    held.keep("patient", "patient");
    if (at < 7000) held.keep("gone after 3 s", "gone");
  }
  held.keep("new", "new");
  now = 34_000;
  assertEquals(held.take(), ["patient", "new"]);
  held.keep("once", "once");
  now = 38_000;
  assertEquals(held.take(), []);
});
