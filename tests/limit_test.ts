import { assert, assertEquals, assertRejects } from "@std/assert";
import { Limit } from "../src/limit.ts";

const never = new AbortController().signal;

/** Calls that each end when told to. */
function calls(limit: Limit) {
  const started: string[] = [];
  const end = new Map<string, () => void>();
  const ended = new Map<string, Promise<void>>();
  const run = (name: string, signal = never) =>
    limit.run(() => {
      started.push(name);
      const { promise, resolve } = Promise.withResolvers<void>();
      end.set(name, resolve);
      ended.set(name, promise);
      return promise;
    }, signal);
  return { started, end, ended, run };
}
/** Lets what is due in microtasks happen. */
const settle = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("a limit lets its number of calls run and the rest wait in their order", async () => {
  const limit = new Limit(2);
  const { started, end, run } = calls(limit);
  const all = ["a", "b", "c", "d"].map((name) => run(name));
  assertEquals(started, ["a", "b"]);
  assert(limit.full);
  end.get("b")!();
  await settle();
  assertEquals(started, ["a", "b", "c"]);
  end.get("a")!();
  await settle();
  assertEquals(started, ["a", "b", "c", "d"]);
  end.get("c")!();
  end.get("d")!();
  await Promise.all(all);
  assert(!limit.full);
});

Deno.test("a call that fails makes room for the next", async () => {
  const limit = new Limit(1);
  const failing = limit.run(() => Promise.reject(new Error("no")), never);
  const next = limit.run(() => Promise.resolve("yes"), never);
  await assertRejects(() => failing, Error, "no");
  assertEquals(await next, "yes");
  assert(!limit.full);
});

Deno.test("who stops waiting for a turn gives it to the next", async () => {
  const limit = new Limit(1);
  const { started, end, run } = calls(limit);
  const gone = new AbortController();
  const a = run("a");
  const b = run("b", gone.signal);
  const c = run("c");
  gone.abort(new Error("gone"));
  await assertRejects(() => b, Error, "gone");
  end.get("a")!();
  await a;
  await settle();
  assertEquals(started, ["a", "c"]);
  end.get("c")!();
  await c;
});

Deno.test("who gives up at the moment its turn comes makes no call and loses no turn", async () => {
  const limit = new Limit(1);
  const { started, end, ended, run } = calls(limit);
  const gone = new AbortController();
  const a = run("a");
  const b = run("b", gone.signal);
  // Runs after the limit has given b its turn and before b takes it.
  ended.get("a")!.then(() => gone.abort(new Error("gone")));
  end.get("a")!();
  await a;
  await assertRejects(() => b, Error, "gone");
  const c = run("c");
  await settle();
  assertEquals(started, ["a", "c"]);
  end.get("c")!();
  await c;
  assert(!limit.full);
});

Deno.test("a call whose signal has aborted already is not made", async () => {
  const limit = new Limit(1);
  const { started, run } = calls(limit);
  await assertRejects(() => run("a", AbortSignal.abort(new Error("gone"))));
  assertEquals(started, []);
  assert(!limit.full);
});

Deno.test("calls without a signal wait for their turn too, and when all are over, that is told", async () => {
  const limit = new Limit(1);
  await limit.idle();
  const ends: (() => void)[] = [];
  const all = [1, 2].map(() =>
    limit.run(() => new Promise<void>((resolve) => ends.push(resolve)))
  );
  let isIdle = false;
  const idle = limit.idle().then(() => isIdle = true);
  assertEquals(ends.length, 1);
  ends[0]();
  await settle();
  assertEquals(ends.length, 2);
  assert(!isIdle);
  ends[1]();
  await Promise.all([...all, idle]);
});
