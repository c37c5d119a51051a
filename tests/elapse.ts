import type { FakeTime } from "@std/testing/time";

/**
 * Lets `ms` milliseconds of the fake time go by, with everything that happens meanwhile in its order: what follows from
 * a timer comes before the next timer, as it does in real time. `FakeTime.tickAsync` runs all that are due at once.
 */
export async function elapse(time: FakeTime, ms: number): Promise<void> {
  let over = false;
  setTimeout(() => over = true, ms);
  while (!over) await time.nextAsync();
  await time.runMicrotasks();
}
