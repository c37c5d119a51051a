/**
 * The database file itself. Every call waits for the disk, so this runs in a worker (worker.ts) only.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { explain } from "./explain.ts";
import { openFile } from "./file.ts";
import {
  type Change,
  type Configuration,
  type HistoryEvent,
  type Origin,
  type Statistics,
  type StoredUnikernel,
  StoreError,
} from "./store.ts";

/** One thing to write. */
export type Write =
  | { kind: "configure"; configuration: Configuration; change: Change }
  | { kind: "remove"; name: string; change: Change }
  | {
    kind: "changeState";
    name: string;
    from: string;
    statistics: Statistics;
    change: Change;
  }
  | { kind: "count"; name: string; statistics: Statistics }
  | { kind: "identify"; farEnd: string; identity: string };

type Row = Record<string, string | number | null>;

/** What may be missing, as SQLite takes it. */
const orNull = <T extends string | number>(value: T | undefined) =>
  value ?? null;
/** Times that were computed may have fractions, which INTEGER columns refuse. */
const time = (ms: number | undefined) =>
  ms === undefined ? null : Math.round(ms);

/** An open database, which nobody else can open meanwhile. What it throws is {@linkcode StoreError}, or a mistake of ours. */
export class Database {
  readonly #path: string;
  readonly #kept: number;
  readonly #db: DatabaseSync;
  /** Which file it is, by device and inode. */
  readonly #file: string;
  readonly #statements = new Map<string, StatementSync>();

  /** Opens the file, or makes it; it keeps the last `kept` events. Nothing is changed of a file that is not fit. */
  constructor(path: string, kept: number, anyOwner = false) {
    this.#path = path;
    this.#kept = kept;
    try {
      this.#db = openFile(path, anyOwner);
      this.#file = identity(path)!;
    } catch (error) {
      throw explain(path, error);
    }
  }

  /** Writes all of it, or nothing when it throws. */
  apply(writes: readonly Write[]): void {
    const db = this.#db;
    try {
      if (identity(this.#path) !== this.#file) {
        throw new StoreError(
          "it was moved or replaced: put it back, or restart Jitsu",
        );
      }
      // What was committed has been given to the kernel with write(2), so the end of the process, kill -9 too, loses
      // none of it whichever the mode is. NORMAL can lose the last commits when the power fails (never more than that:
      // checkpoints are synced in either mode). That is nothing to keep a disk busy for where statistics and states are
      // concerned; what an operator was told is done is synced.
      const durable = writes.some(({ kind }) =>
        kind === "configure" || kind === "remove" || kind === "identify"
      );
      this.#run(`PRAGMA synchronous = ${durable ? "FULL" : "NORMAL"}`);
      this.#run("BEGIN IMMEDIATE");
      try {
        for (const write of writes) this.#write(write);
        this.#run(
          "DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?",
          this.#kept,
        );
        this.#run("COMMIT");
      } catch (error) {
        // SQLite has rolled it back itself after some errors, such as a full disk.
        if (db.isTransaction) db.exec("ROLLBACK");
        throw error;
      }
    } catch (error) {
      throw explain(this.#path, error);
    }
  }

  id(): string {
    return this.#read(() => this.#all("SELECT id FROM jitsu")[0].id as string);
  }

  unikernels(): StoredUnikernel[] {
    return this.#read(() => {
      const names = Map.groupBy(
        this.#all("SELECT * FROM name ORDER BY unikernel, position"),
        (row) => row.unikernel,
      );
      return this.#all("SELECT * FROM unikernel ORDER BY id").map((row) => ({
        name: row.name as string,
        backend: row.backend as string,
        spec: row.spec as string,
        fromFile: row.from_file === 1,
        statistics: statisticsOf(row, names.get(row.id) ?? []),
      }));
    });
  }

  history(limit: number, unikernel?: string): HistoryEvent[] {
    return this.#read(() => {
      const rows = unikernel === undefined
        ? this.#all("SELECT * FROM history ORDER BY id DESC LIMIT ?", limit)
        : this.#all(
          "SELECT * FROM history WHERE unikernel = ? ORDER BY id DESC LIMIT ?",
          unikernel,
          limit,
        );
      return rows.reverse().map((row) => ({
        time: row.time as number,
        unikernel: row.unikernel as string,
        what: row.what as HistoryEvent["what"],
        origin: row.origin as Origin,
        reason: row.reason as string,
        from: row.from as string ?? undefined,
        to: row.to as string ?? undefined,
      }));
    });
  }

  identityOf(farEnd: string): string | undefined {
    return this.#read(() => {
      const [row] = this.#all(
        "SELECT identity FROM far_end WHERE address = ?",
        farEnd,
      );
      return row?.identity as string | undefined;
    });
  }

  close(): void {
    this.#db.close();
  }

  #write(write: Write): void {
    switch (write.kind) {
      case "configure": {
        const { name, backend, spec, fromFile } = write.configuration;
        const from = this.#specOf(name);
        this.#run(
          `INSERT INTO unikernel (name, backend, spec, from_file) VALUES (?, ?, ?, ?)
           ON CONFLICT (name) DO UPDATE
           SET backend = excluded.backend, spec = excluded.spec, from_file = excluded.from_file`,
          name,
          backend,
          spec,
          Number(fromFile),
        );
        this.#note({
          ...write.change,
          unikernel: name,
          what: "configuration",
          from,
          to: spec,
        });
        return;
      }
      case "remove": {
        const { name, change } = write;
        const from = this.#specOf(name);
        if (from === undefined) return;
        this.#run("DELETE FROM unikernel WHERE name = ?", name);
        this.#note({ ...change, unikernel: name, what: "configuration", from });
        return;
      }
      case "changeState": {
        const { name, from, statistics, change } = write;
        const to = statistics.state;
        this.#count(name, statistics);
        this.#note({ ...change, unikernel: name, what: "state", from, to });
        return;
      }
      case "count":
        this.#count(write.name, write.statistics);
        return;
      case "identify":
        this.#run(
          "INSERT OR REPLACE INTO far_end VALUES (?, ?)",
          write.farEnd,
          write.identity,
        );
    }
  }

  #specOf(name: string): string | undefined {
    const [row] = this.#all("SELECT spec FROM unikernel WHERE name = ?", name);
    return row?.spec as string | undefined;
  }

  #count(name: string, statistics: Statistics): void {
    const { lastStart, lastStop } = statistics;
    const [row] = this.#all(
      `UPDATE unikernel SET state = ?, since = ?, starts = ?, failures = ?, time_to_ready = ?,
         last_start = ?, last_start_reason = ?, last_stop = ?, last_stop_reason = ?, ours = ?, good_until = ?
       WHERE name = ? RETURNING id`,
      statistics.state,
      time(statistics.since),
      statistics.starts,
      statistics.failures,
      orNull(statistics.timeToReady),
      time(lastStart?.time),
      orNull(lastStart?.reason),
      time(lastStop?.time),
      orNull(lastStop?.reason),
      statistics.ours === undefined ? null : Number(statistics.ours),
      time(statistics.goodUntil),
      name,
    );
    if (row === undefined) return;
    this.#run("DELETE FROM name WHERE unikernel = ?", row.id);
    statistics.names.forEach(({ name, requests, lastRequest }, position) =>
      this.#run(
        "INSERT INTO name VALUES (?, ?, ?, ?, ?)",
        row.id,
        position,
        name,
        requests,
        time(lastRequest),
      )
    );
  }

  #note(event: HistoryEvent): void {
    this.#run(
      `INSERT INTO history (time, unikernel, what, origin, reason, "from", "to") VALUES (?, ?, ?, ?, ?, ?, ?)`,
      time(event.time),
      event.unikernel,
      event.what,
      event.origin,
      event.reason,
      orNull(event.from),
      orNull(event.to),
    );
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: Row[string][]): void {
    this.#statement(sql).run(...values);
  }

  #all(sql: string, ...values: Row[string][]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw explain(this.#path, error);
    }
  }
}

function statisticsOf(row: Row, names: Row[]): Statistics | undefined {
  if (row.state === null) return undefined;
  const last = (time: string | number | null, reason: string | number | null) =>
    time === null
      ? undefined
      : { time: time as number, reason: reason as string };
  return {
    state: row.state as string,
    since: row.since as number,
    starts: row.starts as number,
    failures: row.failures as number,
    timeToReady: row.time_to_ready as number ?? undefined,
    lastStart: last(row.last_start, row.last_start_reason),
    lastStop: last(row.last_stop, row.last_stop_reason),
    ours: row.ours === null ? undefined : row.ours === 1,
    goodUntil: row.good_until as number ?? undefined,
    names: names.map(({ name, requests, last_request }) => ({
      name: name as string,
      requests: requests as number,
      lastRequest: last_request as number ?? undefined,
    })),
  };
}

/** Which file a path leads to; undefined where it leads to none. */
function identity(path: string): string | undefined {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev}:${ino}`;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
