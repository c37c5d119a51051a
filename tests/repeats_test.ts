import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Repeats } from "../src/repeats.ts";

Deno.test("the same is passed on so often within a time, and then counted", () => {
  using time = new FakeTime();
  const told: string[] = [];
  const repeats = new Repeats<string>(
    2,
    1000,
    (item, more) => told.push(`${item} ${more}`),
  );
  const passed = () => ["a", "b"].map((key) => repeats.passes(key, key));
  assertEquals(passed(), [true, true]);
  assertEquals(passed(), [true, true]);
  assertEquals(passed(), [false, false]);
  assertEquals(repeats.passes("a", "a"), false);
  time.tick(999);
  assertEquals(told, []);
  time.tick(1);
  assertEquals(told, ["a 2", "b 1"]);
  assertEquals(passed(), [true, true]);
  time.tick(1000);
  assertEquals(told.length, 2);
});

Deno.test("what is still counted is told at the end", () => {
  const told: number[] = [];
  const repeats = new Repeats<void>(1, 60_000, (_, more) => told.push(more));
  for (let i = 0; i < 4; i++) repeats.passes("a");
  repeats.flush();
  assertEquals(told, [3]);
});
