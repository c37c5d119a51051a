import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { deadline, delay, unlessAborted, within } from "../src/wait.ts";

const never = new Promise<never>(() => {});

Deno.test("a delay takes its time", async () => {
  using time = new FakeTime();
  let isOver = false;
  const delayed = delay(1000).then(() => isOver = true);
  await time.tickAsync(999);
  assert(!isOver);
  await time.tickAsync(1);
  await delayed;
});

Deno.test("a delay ends with the signal's reason, and leaves no timer behind", async () => {
  const aborting = new AbortController();
  const delayed = delay(60_000, aborting.signal);
  aborting.abort(new Error("enough"));
  await assertRejects(() => delayed, Error, "enough");
});

Deno.test("a delay does not begin where the signal has aborted already", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => delay(60_000, signal), Error, "enough");
});

Deno.test("what a promise comes to in time is what it is worth, and no timer is left behind", async () => {
  assertEquals(await within(60_000, Promise.resolve("there")), "there");
  const failure = () => Promise.reject(new Error("broken"));
  await assertRejects(() => within(60_000, failure()), Error, "broken");
  await assertRejects(
    () => deadline(60_000, failure(), () => new Error("late")),
    Error,
    "broken",
  );
});

Deno.test("a promise that takes too long is not waited for", async () => {
  assertEquals(await within(1, never), undefined);
  await assertRejects(
    () => deadline(1, never, () => new Error("late")),
    Error,
    "late",
  );
});

Deno.test("a promise that fails when nobody waits for it any more does no harm", async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  await within(1, promise);
  reject(new Error("broken"));
  await delay(1);
});

Deno.test("a promise is waited for until the signal aborts", async () => {
  const aborting = new AbortController();
  const { signal } = aborting;
  assertEquals(await unlessAborted(signal, Promise.resolve(1)), 1);
  const waiting = unlessAborted(signal, never);
  aborting.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await assertRejects(
    () => unlessAborted(signal, Promise.resolve(1)),
    Error,
    "enough",
  );
});
