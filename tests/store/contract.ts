/**
 * What every store does, as tests: each of the stores has a test file that runs them over it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type {
  Change,
  HistoryEvent,
  Origin,
  Statistics,
  Store,
} from "../../src/store/store.ts";

/** A store for one test. */
export interface TestStore extends AsyncDisposable {
  store: Store;
}

/** The same without what is undefined: whether a key is there without a value is nobody's business. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

export const change = (
  time: number,
  reason: string,
  origin: Origin = "operator",
): Change => ({ time, origin, reason });

export const www = {
  name: "www",
  backend: "process",
  spec: "dns=www.test,ip=127.0.0.2,name=www,command=sh -c 'echo a\\, b'",
  fromFile: false,
};
export const db = {
  name: "db",
  backend: "libvirt",
  spec: "dns=db.test,ip=::1,name=db",
  fromFile: true,
};

export function statistics(overrides: Partial<Statistics> = {}): Statistics {
  return {
    state: "off",
    since: 1000,
    starts: 0,
    failures: 0,
    names: [],
    ...overrides,
  };
}

const FULL = statistics({
  state: "ready",
  since: 1_790_000_000_123,
  starts: 3,
  failures: 1,
  timeToReady: 812.5,
  ours: true,
  goodUntil: 1_790_000_060_456,
  lastStart: { time: 1_790_000_000_000, reason: "A www.test from ::1#5353" },
  lastStop: { time: 1_789_999_999_999, reason: "idle for 120 s" },
  names: [
    { name: "www.test", requests: 7, lastRequest: 1_790_000_000_456 },
    { name: "old.test", requests: 0 },
  ],
});

/** The tests; `open` makes an empty store that keeps the last `kept` events at least. */
export function testStore(
  kind: string,
  open: (kept?: number) => Promise<TestStore>,
): void {
  function test(
    name: string,
    fn: (store: Store) => Promise<void>,
    kept?: number,
  ): void {
    Deno.test(`${kind}: ${name}`, async () => {
      await using opened = await open(kept);
      await fn(opened.store);
    });
  }
  const eventsOf = async (store: Store, unikernel?: string) =>
    plain(await store.history(1000, unikernel));

  test("a new store is empty", async (store) => {
    assertEquals(await store.unikernels(), []);
    assertEquals(await store.history(10), []);
  });

  test("unikernels come back as they were configured, in their order", async (store) => {
    await store.configure(www, change(1, "CONFIG"));
    await store.configure(db, change(2, "CONFIG"));
    assertEquals(plain(await store.unikernels()), [www, db]);
  });

  test("a configuration replaces that of the same name, keeps its place and its statistics", async (store) => {
    await store.configure(www, change(1, "CONFIG"));
    await store.configure(db, change(1, "CONFIG"));
    await store.count("www", FULL);
    const other = {
      name: "www",
      backend: "libvirt",
      spec: "dns=w,ip=::,name=www",
      fromFile: true,
    };
    await store.configure(other, change(2, "replaced"));
    assertEquals(plain(await store.unikernels()), [
      { ...other, statistics: FULL },
      db,
    ]);
  });

  test("a unikernel that is removed is gone with its statistics, but not its history", async (store) => {
    await store.configure(www, change(1, "CONFIG"));
    await store.changeState("www", "off", FULL, change(2, "asked", "query"));
    await store.remove("www", change(3, "not needed"));
    await store.configure(www, change(4, "needed"));
    assertEquals(plain(await store.unikernels()), [www]);
    assertEquals((await eventsOf(store)).length, 4);
  });

  test("statistics come back as they were counted last", async (store) => {
    await store.configure(www, change(1, "CONFIG"));
    await store.count("www", statistics({ starts: 1 }));
    await store.count("www", FULL);
    assertEquals(plain(await store.unikernels())[0].statistics, FULL);
    const less = statistics({ names: FULL.names });
    await store.count("www", less);
    assertEquals(plain(await store.unikernels())[0].statistics, less);
  });

  test("names of two unikernels that are the same are counted apart", async (store) => {
    await store.configure(www, change(1, "CONFIG"));
    await store.configure(db, change(1, "CONFIG"));
    const once = statistics({ names: [{ name: "x.test", requests: 1 }] });
    const twice = statistics({ names: [{ name: "x.test", requests: 2 }] });
    await store.count("www", once);
    await store.count("db", twice);
    assertEquals(
      plain(await store.unikernels()).map(({ statistics }) => statistics),
      [once, twice],
    );
  });

  test("a change of state is an event, and changes the statistics", async (store) => {
    await store.configure(www, change(1, "CONFIG"));
    await store.changeState("www", "starting", FULL, change(2, "up", "query"));
    assertEquals(plain(await store.unikernels())[0].statistics, FULL);
    assertEquals((await eventsOf(store)).at(-1), {
      time: 2,
      unikernel: "www",
      what: "state",
      from: "starting",
      to: "ready",
      origin: "query",
      reason: "up",
    });
  });

  test("added, replaced and removed are events with the CONFIG before and after", async (store) => {
    const spec = "dns=w.test,ip=::1,name=www";
    await store.configure(www, change(1, "a"));
    await store.configure({ ...www, spec }, change(2, "b"));
    await store.remove("www", change(3, "c"));
    const event = (
      time: number,
      reason: string,
      between: Pick<HistoryEvent, "from" | "to">,
    ): HistoryEvent => ({
      time,
      unikernel: "www",
      what: "configuration",
      origin: "operator",
      reason,
      ...between,
    });
    assertEquals(await eventsOf(store), [
      event(1, "a", { to: www.spec }),
      event(2, "b", { from: www.spec, to: spec }),
      event(3, "c", { from: spec }),
    ]);
  });

  test("what is noted of unikernels that are not configured changes none", async (store) => {
    await store.count("ghost", FULL);
    await store.remove("ghost", change(1, "twice"));
    assertEquals(await store.unikernels(), []);
    assertEquals(await store.history(10), []);
    // One that stops while it is removed is still told of.
    await store.changeState("ghost", "ready", statistics(), change(2, "off"));
    assertEquals((await eventsOf(store)).length, 1);
    assertEquals(await store.unikernels(), []);
  });

  test("history is told of one unikernel or of all, the last events, oldest first", async (store) => {
    for (let time = 1; time <= 6; time++) {
      await store.changeState(
        time % 2 === 0 ? "www" : "db",
        "off",
        statistics(),
        change(time, "", "backend"),
      );
    }
    const times = async (limit: number, unikernel?: string) =>
      (await store.history(limit, unikernel)).map(({ time }) => time);
    assertEquals(await times(100), [1, 2, 3, 4, 5, 6]);
    assertEquals(await times(2), [5, 6]);
    assertEquals(await times(2, "www"), [4, 6]);
    assertEquals(await times(0), []);
    assertEquals(await times(5, "nobody"), []);
  });

  test("history does not grow for ever", async (store) => {
    const all = Array.from({ length: 100 }, (_, i) => i);
    await Promise.all(
      all.map((i) =>
        store.changeState("www", "off", statistics(), change(i, "", "idle"))
      ),
    );
    const times = (await store.history(1000)).map(({ time }) => time);
    assertEquals(times, all.slice(-times.length), "the newest are kept");
    assert(times.length >= 10 && times.length <= 20, `${times.length} events`);
  }, 10);

  test("calls that are not waited for take effect in their order", async (store) => {
    await Promise.all([
      store.configure(www, change(1, "")),
      store.count("www", statistics({ starts: 1 })),
      store.remove("www", change(2, "")),
      store.configure(www, change(3, "")),
      store.changeState("www", "off", FULL, change(4, "", "query")),
      store.count("www", statistics({ starts: 9 })),
    ]);
    const [{ statistics: stored }] = await store.unikernels();
    assertEquals(plain(stored), statistics({ starts: 9 }));
    assertEquals((await eventsOf(store)).map(({ time }) => time), [1, 2, 3, 4]);
  });

  test("any text and any number of them come back as they are", async (store) => {
    const spec = "command=\t \n'\"\\,;-- \u{1F980} ' OR 1=1";
    const names = Array.from({ length: 300 }, (_, i) => `n${i}`);
    await Promise.all(
      names.map((name) =>
        store.configure(
          { name, backend: "b", spec, fromFile: false },
          change(0, spec),
        )
      ),
    );
    assertEquals(
      plain(await store.unikernels()),
      names.map((name) => ({ name, backend: "b", spec, fromFile: false })),
    );
    assertEquals((await store.history(1))[0].reason, spec);
  });

  test("what was noted of a far end is there until something else is", async (store) => {
    assertEquals(await store.identityOf("https://a/"), undefined);
    store.identify("https://a/", "1");
    store.identify("https://b/", "2");
    assertEquals(await store.identityOf("https://a/"), "1");
    await store.identify("https://a/", "3");
    assertEquals(await store.identityOf("https://a/"), "3");
    assertEquals(await store.identityOf("https://b/"), "2");
  });
}
