/**
 * What becomes of the file: which ones are refused with which words, and that none is ever overwritten.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { APPLICATION_ID, MIGRATIONS } from "../../src/store/schema.ts";
import { type Store, StoreError } from "../../src/store/store.ts";
import { change, statistics, www } from "./contract.ts";
import { TestFile } from "./support.ts";

async function fill(store: Store, changes = 10): Promise<void> {
  await store.configure(www, change(1, "CONFIG"));
  for (let i = 0; i < changes; i++) {
    await store.changeState("www", "off", statistics(), change(i, "x"));
  }
}

/** A file that a store was in. */
async function filled(file: TestFile, changes?: number): Promise<void> {
  const store = await file.open();
  await fill(store, changes);
  await store.close();
}

/** The file is refused with these words, and left as it is. */
async function assertRefused(file: TestFile, words: string): Promise<void> {
  const before = Deno.readFileSync(file.path);
  await assertRejects(
    () => file.open(),
    StoreError,
    `database ${file.path}: ${words}`,
  );
  assertEquals(Deno.readFileSync(file.path), before);
}

Deno.test("what was stored is there when the file is opened again", async () => {
  using file = new TestFile();
  await filled(file);
  const store = await file.open();
  assertEquals((await store.unikernels())[0].spec, www.spec);
  assertEquals((await store.history(100)).length, 11);
  await store.close();
  assertEquals([...Deno.readDirSync(file.directory)].map(({ name }) => name), [
    "jitsu.db",
  ]);
});

Deno.test("a file of a newer version is refused", async () => {
  using file = new TestFile();
  await filled(file);
  file.sql((db) => db.exec("PRAGMA user_version = 99"));
  await assertRefused(
    file,
    `a newer Jitsu made it (version 99 of its tables, this one knows ${MIGRATIONS.length}): run that one, or name another file`,
  );
});

Deno.test("a database of somebody else is refused", async () => {
  using file = new TestFile();
  file.sql((db) => db.exec("CREATE TABLE precious (a)"));
  await assertRefused(
    file,
    "it is a database, but not one of Jitsu: name another file",
  );
});

Deno.test("an empty file and an empty database are made Jitsu's", async () => {
  using empty = new TestFile();
  Deno.writeTextFileSync(empty.path, "");
  await filled(empty);
  using unused = new TestFile();
  unused.sql((db) => db.exec("PRAGMA journal_mode = WAL"));
  await filled(unused);
});

Deno.test("a file that is no database is refused", async () => {
  using file = new TestFile();
  Deno.writeTextFileSync(file.path, "something precious\n".repeat(1000));
  await assertRefused(
    file,
    "it is damaged (file is not a database): move it away to begin anew, or put a copy from before in its place",
  );
});

Deno.test("a damaged file is refused wherever the damage is", async () => {
  for (const where of [0.3, 0.5, 0.7, 0.95]) {
    using file = new TestFile();
    await filled(file, 500);
    const bytes = Deno.readFileSync(file.path);
    const page = Math.floor(bytes.length * where / 4096) * 4096;
    bytes.fill(0xa5, page, page + 4096);
    Deno.writeFileSync(file.path, bytes);
    await assertRefused(file, "it is damaged (");
  }
});

Deno.test("a file that was cut off is refused", async () => {
  using file = new TestFile();
  await filled(file, 500);
  Deno.truncateSync(file.path, Deno.statSync(file.path).size / 8192 * 4096);
  await assertRefused(file, "it is damaged (");
});

Deno.test("a directory and a path through nowhere are refused with what to do", async () => {
  using file = new TestFile();
  Deno.mkdirSync(file.path);
  await assertRejects(
    () => file.open(),
    StoreError,
    `database ${file.path}: is a directory: name a file that Jitsu can read and write`,
  );
  Deno.removeSync(file.path);
  using nowhere = new TestFile();
  nowhere[Symbol.dispose]();
  await assertRejects(
    () => nowhere.open(),
    StoreError,
    `database ${nowhere.path}: its directory does not exist: make it, or name another file`,
  );
  Deno.mkdirSync(nowhere.directory);
});

Deno.test("a name that SQLite has for itself is a file like any other", async () => {
  using file = new TestFile();
  const before = Deno.cwd();
  Deno.chdir(file.directory);
  try {
    const { SqliteStore } = await import("../../src/store/sqlite.ts");
    const store = await SqliteStore.open(":memory:");
    await fill(store);
    await store.close();
    assert(Deno.statSync(`${file.directory}/:memory:`).size > 0);
  } finally {
    Deno.chdir(before);
  }
});

Deno.test("a file that others could read is made its owner's alone", async () => {
  using file = new TestFile();
  await filled(file);
  Deno.chmodSync(file.path, 0o644);
  await filled(file);
  assertEquals(Deno.statSync(file.path).mode! & 0o777, 0o600);
});

Deno.test("a database marked as Jitsu's says so in its header", async () => {
  using file = new TestFile();
  await filled(file);
  assertEquals(
    file.sql((db) => [
      db.prepare("PRAGMA application_id").get()!.application_id,
      db.prepare("PRAGMA user_version").get()!.user_version,
      db.prepare("PRAGMA journal_mode").get()!.journal_mode,
    ]),
    [APPLICATION_ID, MIGRATIONS.length, "wal"],
  );
});

Deno.test("a file, log or journal that others could have written is refused, but for those who only look", async () => {
  for (const end of ["", "-wal", "-journal"]) {
    using file = new TestFile();
    await filled(file);
    const path = file.path + end;
    if (end !== "") Deno.writeTextFileSync(path, "");
    Deno.chmodSync(path, 0o666);
    await assertRefused(file, "others may write it (mode 666)");
    const store = await file.open({ anyOwner: true });
    assertEquals((await store.unikernels()).length, 1);
    await store.close();
  }
});

Deno.test("a symbolic link in the place of a database is refused, and what it leads to stays as it is", async () => {
  using file = new TestFile(), elsewhere = new TestFile();
  Deno.symlinkSync(elsewhere.path, file.path);
  await assertRejects(
    () => file.open(),
    StoreError,
    `database ${file.path}: it is a symbolic link`,
  );
  assertEquals([...Deno.readDirSync(elsewhere.directory)], []);
});
