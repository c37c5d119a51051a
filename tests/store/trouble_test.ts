/**
 * A store that cannot write for a while: who is told, what is kept, and what is there when it can again.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type SqliteOptions, SqliteStore } from "../../src/store/sqlite.ts";
import { type Store, StoreError } from "../../src/store/store.ts";
import { until } from "../until.ts";
import { change, db, statistics, www } from "./contract.ts";
import { canMount, SmallDisk } from "./disk.ts";
import { TestFile } from "./support.ts";

/** What the store tells, and options for it to tell that. */
function listen() {
  const told: string[] = [];
  const options: SqliteOptions = {
    retryInterval: 20,
    onTrouble: (trouble) => told.push(trouble),
    onRecovery: (missing) => told.push(`recovered, ${missing} missing`),
  };
  return { told, options };
}

function testDisk(
  name: string,
  fn: (disk: SmallDisk, path: string) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !canMount,
    async fn() {
      await using disk = await SmallDisk.mount();
      await fn(disk, `${disk.path}/jitsu.db`);
    },
  });
}

/** Writes until that fails, which happens once the file must grow. */
async function writeUntilFailure(store: Store): Promise<StoreError> {
  for (let i = 0;; i++) {
    try {
      const reason = "x".repeat(1000);
      await store.changeState(
        "www",
        "off",
        statistics({ state: "ready", starts: i }),
        change(i, reason),
      );
    } catch (error) {
      assert(error instanceof StoreError);
      return error;
    }
  }
}

testDisk(
  "a full disk is told once; what came meanwhile is stored when there is room",
  async (disk, path) => {
    const { told, options } = listen();
    const full = `database ${path}: the disk is full: make room`;
    let events: number;
    {
      const store = await SqliteStore.open(path, options);
      await store.configure(www, change(1, "CONFIG"));
      disk.fill();
      assertEquals((await writeUntilFailure(store)).message, full);
      await assertRejects(
        () => store.configure(db, change(2, "CONFIG")),
        StoreError,
        full,
      );
      store.count("www", statistics({ starts: 100 })).catch(() => {});
      await assertRejects(
        () => store.count("www", statistics({ starts: 101 })),
        StoreError,
      );
      await new Promise((resolve) => setTimeout(resolve, 200)); // some more tries
      assertEquals(told, [full]);

      disk.clear();
      await until("the store to recover", () => told.length > 1);
      assertEquals(told, [full, "recovered, 0 missing"]);
      const [stored, added] = await store.unikernels();
      assertEquals([stored.statistics!.starts, added.name], [101, "db"]);
      const history = await store.history(10_000);
      events = history.length;
      // All from the first to those that failed, in their order.
      assertEquals(
        history.map(({ time, what }) => what === "state" ? time : what),
        ["configuration", ...Array(events - 2).keys(), "configuration"],
      );
      await store.configure(www, change(3, "works as before"));
      await store.close();
    }
    const store = await SqliteStore.open(path);
    assertEquals((await store.history(10_000)).length, events + 1);
    await store.close();
  },
);

testDisk(
  "a full disk does not keep what is stored from being read, nor the end from coming",
  async (disk, path) => {
    {
      const store = await SqliteStore.open(path);
      await store.configure(www, change(1, "CONFIG"));
      await store.close();
    }
    disk.fill();
    const { told, options } = listen();
    const store = await SqliteStore.open(path, options);
    assertEquals((await store.unikernels())[0].name, "www");
    await assertRejects(() => store.configure(db, change(2, "")), StoreError);
    await store.close();
    assertEquals(told.length, 1);
  },
);

testDisk(
  "a database that does not fit on the disk is refused",
  async (disk, path) => {
    disk.fill();
    await assertRejects(
      () => SqliteStore.open(path),
      StoreError,
      `database ${path}: the disk is full: make room`,
    );
  },
);

testDisk("a disk that can only be read is refused", async (disk, path) => {
  const store = await SqliteStore.open(path);
  await store.configure(www, change(1, "CONFIG"));
  await store.close();
  await disk.remount("ro");
  await assertRejects(
    () => SqliteStore.open(path),
    StoreError,
    `database ${path}: read-only file system: name a file that Jitsu can read and write`,
  );
});

Deno.test("a file that is moved away or replaced is not written to, until it is back", async () => {
  using file = new TestFile();
  const { told, options } = listen();
  const store = await file.open(options);
  await store.configure(www, change(1, "CONFIG"));
  const moved =
    `database ${file.path}: it was moved or replaced: put it back, or restart Jitsu`;
  Deno.renameSync(file.path, `${file.path}.away`);
  const failure = await assertRejects(
    () => store.configure(db, change(2, "CONFIG")),
    StoreError,
  );
  Deno.writeTextFileSync(file.path, "another");
  await new Promise((resolve) => setTimeout(resolve, 100)); // some more tries
  assertEquals([failure.message, ...told], [moved, moved]);
  assertEquals(Deno.readTextFileSync(file.path), "another");
  Deno.renameSync(`${file.path}.away`, file.path);
  await until("the store to recover", () => told.length > 1);
  assertEquals((await store.unikernels()).map(({ name }) => name), [
    "www",
    "db",
  ]);
  await store.close();
});

Deno.test("what waits is bounded: the oldest changes of state drop out of history, and nothing else", async () => {
  using file = new TestFile();
  const { told, options } = listen();
  const store = await file.open({ ...options, retryInterval: 1e6 });
  const names = ["a", "b", "c"];
  for (const name of names) {
    await store.configure({ ...www, name }, change(1, "CONFIG"));
  }
  Deno.renameSync(file.path, `${file.path}.away`);
  const ignored = (promise: Promise<void>) => promise.catch(() => {});
  const note = (name: string, i: number) =>
    ignored(store.changeState(
      name,
      "off",
      statistics({ state: "ready", starts: i }),
      change(i, "x"),
    ));
  await note("a", 1); // the only one of a, and the first to drop out
  ignored(store.configure({ ...www, name: "d" }, change(2, "CONFIG")));
  for (let i = 1; i <= 10_500; i++) note(i % 2 === 0 ? "b" : "c", i);
  Deno.renameSync(`${file.path}.away`, file.path);
  await store.close(); // which tries once more
  assertEquals(told.length, 2);
  const missing = Number(/recovered, (\d+) missing/.exec(told[1])![1]);

  const again = await file.open();
  const history = await again.history(100_000);
  const states = history.filter(({ what }) => what === "state");
  assertEquals(states.length, 10_501 - missing);
  assert(missing >= 500 && missing < 510, `${missing}`);
  assertEquals(states.at(-1)!.time, 10_500);
  assertEquals(
    (await again.unikernels()).map(({ name, statistics }) => [
      name,
      statistics?.starts,
    ]),
    [["a", 1], ["b", 10_500], ["c", 10_499], ["d", undefined]],
  );
  await again.close();
});
