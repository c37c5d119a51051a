/**
 * The tables of the database, and how those of an older version become those of this one.
 *
 * A migration that was released is never edited: whoever needs other tables appends one, and a test that brings a
 * database of the version before to the new one.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";

/** What marks a database as Jitsu's, in its header: "JITS". */
export const APPLICATION_ID = 0x4a495453;

/** The one at index N makes version N + 1 of version N. Times are in milliseconds since 1970. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE unikernel (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    backend TEXT NOT NULL,
    spec TEXT NOT NULL,
    state TEXT, -- NULL until there are statistics
    since INTEGER,
    starts INTEGER,
    failures INTEGER,
    time_to_ready REAL, -- milliseconds
    last_start INTEGER,
    last_start_reason TEXT,
    last_stop INTEGER,
    last_stop_reason TEXT
  ) STRICT;

  CREATE TABLE name (
    unikernel INTEGER NOT NULL REFERENCES unikernel ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    requests INTEGER NOT NULL,
    last_request INTEGER,
    PRIMARY KEY (unikernel, position)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    unikernel TEXT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('state', 'configuration')),
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    "from" TEXT,
    "to" TEXT
  ) STRICT;
  CREATE INDEX history_of_unikernel ON history (unikernel, id);
  `,
  `
  ALTER TABLE unikernel ADD COLUMN from_file INTEGER NOT NULL DEFAULT 0; -- 1 where it is of the configuration file
  `,
  `
  CREATE TABLE far_end (
    address TEXT PRIMARY KEY, -- of a backend's connection, as the backend has it
    identity TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE jitsu (id TEXT NOT NULL) STRICT; -- one row: which Jitsu this is, in marks on machines
  INSERT INTO jitsu VALUES (lower(hex(randomblob(16))));
  ALTER TABLE unikernel ADD COLUMN ours INTEGER; -- 1 where this Jitsu started what runs; NULL where it is not known
  ALTER TABLE unikernel ADD COLUMN good_until INTEGER; -- when the last answer given out is over
  `,
];

/** Brings a database of an older version to this one, within the transaction of the caller. */
export function migrate(
  db: DatabaseSync,
  from: number,
  migrations: readonly string[] = MIGRATIONS,
): void {
  if (from === migrations.length) return;
  for (const migration of migrations.slice(from)) db.exec(migration);
  db.exec(`
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${migrations.length};
  `);
}
