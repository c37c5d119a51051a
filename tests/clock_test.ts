import { assert, assertEquals } from "@std/assert";
import { turnClock } from "../src/clock.ts";

Deno.test("the clock stands still within a turn of the event loop, and only there", async () => {
  const now = turnClock();
  const first = now();
  while (performance.now() <= first);
  assertEquals(now(), first);
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert(now() > first);
  assert(now() <= performance.now());
});
