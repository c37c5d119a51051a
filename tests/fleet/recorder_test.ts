import { assert, assertEquals } from "@std/assert";
import { Recorder } from "../../src/fleet/recorder.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Statistics } from "../../src/store/store.ts";
import type { SummonedUnikernel } from "../../src/summon/summons.ts";
import { FakeMachine } from "../summon/fake_machine.ts";
import { Stage } from "../summon/set_up.ts";

const NAME = "www.example.org";
/** The time of day when the summoner's clock was at zero. */
const ZERO = 10_000_000;
/** The unikernel as the store has it. */
const WWW = { name: "www", backend: "fake", spec: "", fromFile: false };

/** Counts the writes of statistics, which are to be few. */
class CountedStore extends MemoryStore {
  counts = 0;
  override count(name: string, statistics: Statistics): Promise<void> {
    this.counts++;
    return super.count(name, statistics);
  }
}

/** A unikernel on fake time, and a recorder beside it. */
async function record(
  fn: (
    stage: Stage,
    store: CountedStore,
    recorder: Recorder,
    add: (past?: Statistics) => Promise<SummonedUnikernel>,
  ) => Promise<void>,
) {
  const store = new CountedStore();
  const all: SummonedUnikernel[] = [];
  using stage = new Stage({ now: () => Date.now() - ZERO });
  await stage.elapse(ZERO);
  const recorder = new Recorder(
    store,
    () => Date.now() - ZERO,
    () => all,
    stage.summoner.transitions,
  );
  recorder.count();
  await store.configure(WWW, {
    time: ZERO,
    origin: "operator",
    reason: "test",
  });
  await fn(stage, store, recorder, async (past) => {
    const machine = new FakeMachine();
    if (past?.state === "ready") machine.become("running");
    const summoned = await stage.add(
      {},
      machine,
      past && recorder.recall("www", past),
    );
    all.push(summoned);
    return summoned;
  });
  recorder.close();
}

const statisticsIn = async (store: MemoryStore) =>
  (await store.unikernels())[0].statistics;

Deno.test("changes of state are stored as they come, with time of day, origin and reason", async () => {
  await record(async (stage, store, _recorder, add) => {
    const www = await add();
    await stage.elapse(1000);
    www.summon("A www from 192.0.2.1#5353");
    await stage.elapse(0);
    const reason = "A www from 192.0.2.1#5353";
    assertEquals(
      (await store.history(10)).slice(1),
      [
        ["off", "starting"],
        ["starting", "ready"],
      ].map(([from, to]) => ({
        time: ZERO + 1000,
        unikernel: "www",
        what: "state",
        from,
        to,
        origin: "query",
        reason,
      })),
    );
    await stage.elapse(1000);
    const stored = await statisticsIn(store);
    assertEquals(stored, {
      state: "ready",
      since: ZERO + 1000,
      starts: 1,
      failures: 0,
      timeToReady: 0,
      ours: true,
      goodUntil: undefined,
      lastStart: { time: ZERO + 1000, reason },
      lastStop: undefined,
      names: [{ name: NAME, requests: 0, lastRequest: undefined }],
    });
    await stage.elapse(200_000);
    assertEquals((await statisticsIn(store))!.lastStop, {
      time: ZERO + 121_000,
      reason: "idle for 120 s",
    });
  });
});

Deno.test("requests are stored within a second, and only when there were any", async () => {
  await record(async (stage, store, _recorder, add) => {
    const www = await add();
    await stage.elapse(5000);
    assertEquals(store.counts, 0);
    for (let i = 0; i < 1000; i++) www.usage.note(0, Date.now() - ZERO);
    await stage.elapse(1000);
    assertEquals((await statisticsIn(store))!.names, [
      { name: NAME, requests: 1000, lastRequest: ZERO + 5000 },
    ]);
    assertEquals(store.counts, 1);
    await stage.elapse(5000);
    assertEquals(store.counts, 1);
  });
});

Deno.test("what the last second brought is stored at the end", async () => {
  await record(async (_stage, store, recorder, add) => {
    const www = await add();
    www.usage.note(0, 0);
    recorder.close();
    assertEquals((await statisticsIn(store))!.names[0].requests, 1);
  });
});

Deno.test("what is recalled is what was stored", async () => {
  const before: Statistics = {
    state: "ready",
    since: ZERO - 3_600_000,
    starts: 3,
    failures: 1,
    timeToReady: 800,
    ours: true,
    goodUntil: ZERO + 50_000,
    lastStart: { time: ZERO - 3_600_800, reason: "A www" },
    lastStop: { time: ZERO - 9_000_000, reason: "idle" },
    names: [{ name: NAME, requests: 7, lastRequest: ZERO - 10_000 }],
  };
  await record(async (stage, store, recorder, add) => {
    const www = await add(before);
    assert(www.ready);
    assertEquals([...www.usage], [[NAME, {
      requests: 7,
      lastRequest: -10_000,
    }]]);
    assertEquals(recorder.statistics(www), before);
    await stage.elapse(2000);
    assertEquals(store.counts, 0, "there is no news");
  });
});

Deno.test("a clock that was set back makes no request of the future", async () => {
  await record(async (_stage, _store, _recorder, add) => {
    const www = await add({
      state: "ready",
      since: ZERO + 1e9,
      starts: 1,
      failures: 0,
      goodUntil: ZERO + 1e9 + 90_000,
      names: [{ name: NAME, requests: 1, lastRequest: ZERO + 1e9 }],
    });
    assertEquals([www.since, www.usage.lastRequest], [0, 0]);
    assertEquals(www.goodUntil, 90_000);
  });
});

Deno.test("what names were asked for is kept out of a store that ends with the daemon: they may be a great many", async () => {
  using stage = new Stage();
  const store = new CountedStore();
  const recorder = new Recorder(
    store,
    Date.now,
    () => [www],
    stage.summoner.transitions,
  );
  const change = { time: ZERO, origin: "operator", reason: "test" } as const;
  await store.configure(WWW, change);
  const www = await stage.add({}, new FakeMachine());
  www.summon("A www");
  await stage.elapse(60_000);
  www.usage.note(0, Date.now());
  recorder.close();
  const { state, names } = (await statisticsIn(store))!;
  assertEquals([state, names, store.counts], ["ready", [], 2]);
});
