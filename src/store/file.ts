/**
 * Opening the database file: it must be Jitsu's own and whole, and nobody else's at the same time.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { checkForOthers, FileError } from "../files.ts";
import { damaged } from "./explain.ts";
import { APPLICATION_ID, migrate, MIGRATIONS } from "./schema.ts";
import { StoreError } from "./store.ts";

type Row = Record<string, string | number | null>;

/** What SQLite has beside a database, and believes: the write-ahead log, or the journal of one without it. */
const COMPANIONS = ["-wal", "-journal", "-shm"];

/**
 * Opens the file, or makes it. Nothing is changed of a file that is not fit, which one that others could have written is
 * not, unless `anyOwner` is given; explain.ts knows the errors.
 */
export function openFile(path: string, anyOwner: boolean): DatabaseSync {
  if (!anyOwner) { for (const end of ["", ...COMPANIONS]) check(path + end); }
  createPrivately(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    prepare(db);
    makePrivate(path);
    return db;
  } catch (error) {
    db?.close();
    // Where the system knows the reason, it says it in plainer words than SQLite.
    if (!(error instanceof StoreError)) openOnce(path);
    throw error;
  }
}

function check(path: string): void {
  try {
    checkForOthers(path);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    // Why it cannot be looked at is found again, and explained, when it is opened.
    if (error.code === undefined) throw new StoreError(error.message);
  }
}

/** Throws where the file cannot be read and written. To close it drops the locks that this process has on it (fcntl(2)). */
function openOnce(path: string): void {
  Deno.openSync(path, { read: true, write: true }).close();
}

/** A CONFIG may hold secrets. SQLite gives its other files the mode of this one. */
function createPrivately(path: string): void {
  try {
    Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function makePrivate(path: string): void {
  for (const file of [path, `${path}-wal`]) {
    const { mode } = Deno.statSync(file);
    if ((mode! & 0o077) !== 0) Deno.chmodSync(file, 0o600);
  }
}

/** Locks the database, checks it through and brings it to this version. */
function prepare(db: DatabaseSync): void {
  const pragma = (text: string) => db.prepare(`PRAGMA ${text}`).get() as Row;
  // One process at a time, locked by the kernel until the process ends however it does. In this mode the index of the
  // WAL is in memory instead of a -shm file, so that a full disk does not keep the database from being read.
  pragma("locking_mode = EXCLUSIVE");
  const { application_id } = pragma("application_id");
  const version = Number(pragma("user_version").user_version);
  const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema")
    .get() as Row;
  const isNew = application_id === 0 && version === 0 && tables === 0;
  if (!isNew && application_id !== APPLICATION_ID) {
    throw new StoreError(
      "it is a database, but not one of Jitsu: name another file",
    );
  }
  if (version > MIGRATIONS.length) {
    throw new StoreError(
      `a newer Jitsu made it (version ${version} of its tables, this one knows ${MIGRATIONS.length}): run that one, or name another file`,
    );
  }
  const { quick_check } = pragma("quick_check(1)");
  if (quick_check !== "ok") throw new StoreError(damaged(String(quick_check)));
  const { journal_mode } = pragma("journal_mode = WAL");
  if (journal_mode !== "wal") {
    throw new StoreError(
      `it cannot have a write-ahead log (journal_mode is ${journal_mode})`,
    );
  }
  db.exec("PRAGMA foreign_keys = ON");
  db.exec("BEGIN IMMEDIATE"); // which fails where nothing can be written
  migrate(db, version);
  db.exec("COMMIT");
}
