/**
 * Databases of every version that was ever released become those of today with all that is in them. Each fixture is what
 * that version made, as SQL, and is never edited.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { migrate } from "../../src/store/schema.ts";
import { TestFile } from "./support.ts";

const VERSION_1 = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE unikernel (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, backend TEXT NOT NULL, spec TEXT NOT NULL,
    state TEXT, since INTEGER, starts INTEGER, failures INTEGER, time_to_ready REAL,
    last_start INTEGER, last_start_reason TEXT, last_stop INTEGER, last_stop_reason TEXT
  ) STRICT;
  CREATE TABLE name (
    unikernel INTEGER NOT NULL REFERENCES unikernel ON DELETE CASCADE,
    position INTEGER NOT NULL, name TEXT NOT NULL, requests INTEGER NOT NULL, last_request INTEGER,
    PRIMARY KEY (unikernel, position)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, unikernel TEXT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('state', 'configuration')), origin TEXT NOT NULL, reason TEXT NOT NULL,
    "from" TEXT, "to" TEXT
  ) STRICT;
  CREATE INDEX history_of_unikernel ON history (unikernel, id);
  INSERT INTO unikernel VALUES
    (1, 'www', 'libvirt', 'dns=www.test,ip=10.0.0.1,name=www', 'ready', 1790000000000, 3, 1, 812.5,
     1790000000000, 'A www.test from 10.0.0.9#5353', 1780000000000, 'idle for 120 s'),
    (2, 'new', 'libvirt', 'dns=new.test,ip=::1,name=new', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
  INSERT INTO name VALUES (1, 0, 'www.test', 7, 1790000000001), (1, 1, 'w.test', 0, NULL);
  INSERT INTO history VALUES
    (1, 1770000000000, 'www', 'configuration', 'operator', 'CONFIG of the command line', NULL,
     'dns=www.test,ip=10.0.0.1,name=www'),
    (2, 1790000000000, 'www', 'state', 'query', 'A www.test from 10.0.0.9#5353', 'off', 'starting');
  PRAGMA application_id = 0x4a495453;
  PRAGMA user_version = 1;
`;

const VERSION_2 = `
  ${VERSION_1}
  ALTER TABLE unikernel ADD COLUMN from_file INTEGER NOT NULL DEFAULT 0;
  UPDATE unikernel SET from_file = 1 WHERE name = 'www';
  PRAGMA user_version = 2;
`;

const VERSION_3 = `
  ${VERSION_2}
  CREATE TABLE far_end (address TEXT PRIMARY KEY, identity TEXT NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA user_version = 3;
`;

const VERSION_4 = `
  ${VERSION_3}
  CREATE TABLE jitsu (id TEXT NOT NULL) STRICT;
  INSERT INTO jitsu VALUES ('00112233445566778899aabbccddeeff');
  ALTER TABLE unikernel ADD COLUMN ours INTEGER;
  ALTER TABLE unikernel ADD COLUMN good_until INTEGER;
  PRAGMA user_version = 4;
`;

for (
  const { version, sql, fromFile } of [
    { version: 1, sql: VERSION_1, fromFile: false },
    { version: 2, sql: VERSION_2, fromFile: true },
    { version: 3, sql: VERSION_3, fromFile: true },
    { version: 4, sql: VERSION_4, fromFile: true },
  ]
) {
  Deno.test(`all that is in a database of version ${version} is there`, async () => {
    using file = new TestFile();
    file.sql((db) => db.exec(sql));
    const store = await file.open();
    assertEquals(JSON.parse(JSON.stringify(await store.unikernels())), [{
      name: "www",
      backend: "libvirt",
      spec: "dns=www.test,ip=10.0.0.1,name=www",
      fromFile,
      statistics: {
        state: "ready",
        since: 1790000000000,
        starts: 3,
        failures: 1,
        timeToReady: 812.5,
        lastStart: {
          time: 1790000000000,
          reason: "A www.test from 10.0.0.9#5353",
        },
        lastStop: { time: 1780000000000, reason: "idle for 120 s" },
        names: [
          { name: "www.test", requests: 7, lastRequest: 1790000000001 },
          { name: "w.test", requests: 0 },
        ],
      },
    }, {
      name: "new",
      backend: "libvirt",
      spec: "dns=new.test,ip=::1,name=new",
      fromFile: false,
    }]);
    assertEquals(JSON.parse(JSON.stringify(await store.history(10))), [{
      time: 1770000000000,
      unikernel: "www",
      what: "configuration",
      origin: "operator",
      reason: "CONFIG of the command line",
      to: "dns=www.test,ip=10.0.0.1,name=www",
    }, {
      time: 1790000000000,
      unikernel: "www",
      what: "state",
      origin: "query",
      reason: "A www.test from 10.0.0.9#5353",
      from: "off",
      to: "starting",
    }]);
    await store.close();
  });
}

/** The tables, and the version that the database says it has. */
function schemaOf(db: DatabaseSync) {
  return {
    tables: db.prepare("SELECT name FROM sqlite_schema").all()
      .map(({ name }) => name),
    version: db.prepare("PRAGMA user_version").get()!.user_version,
  };
}

Deno.test("a database gets the migrations that it lacks, in their order", () => {
  const migrations = [
    "CREATE TABLE a (x)",
    "ALTER TABLE a RENAME TO b",
    "CREATE TABLE c (x)",
  ];
  for (const from of [0, 1, 2, 3]) {
    const db = new DatabaseSync(":memory:");
    for (const sql of migrations.slice(0, from)) db.exec(sql);
    db.exec(`PRAGMA user_version = ${from}`);
    migrate(db, from, migrations);
    assertEquals(schemaOf(db), { tables: ["b", "c"], version: 3 });
    db.close();
  }
});

Deno.test("a migration that fails leaves the database as it was", () => {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE a (x); PRAGMA user_version = 1; BEGIN");
  assertThrows(() =>
    migrate(db, 1, ["", "CREATE TABLE b (x)", "CREATE TABLE a (x)"])
  );
  db.exec("ROLLBACK");
  assertEquals(schemaOf(db), { tables: ["a"], version: 1 });
  db.close();
});
