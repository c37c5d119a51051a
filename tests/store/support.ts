/**
 * What the tests of the database share: files in a directory of their own, and a look into them with SQLite itself.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { type SqliteOptions, SqliteStore } from "../../src/store/sqlite.ts";

/** A directory with the path of a database in it, removed when it is disposed of. */
export class TestFile {
  readonly directory = Deno.makeTempDirSync({ prefix: "jitsu-store-" });
  readonly path = `${this.directory}/jitsu.db`;

  open(options?: SqliteOptions): Promise<SqliteStore> {
    return SqliteStore.open(this.path, options);
  }

  /** Uses SQLite itself on the file, which no store may have open. */
  sql<T>(use: (db: DatabaseSync) => T): T {
    const db = new DatabaseSync(this.path);
    try {
      return use(db);
    } finally {
      db.close();
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}
