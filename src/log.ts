/**
 * The log: one line an event on stderr, for people or as JSON.
 *
 * `log("summon").info("www: ready after 2.10 s", { unikernel: "www", ms: 2100 })`: the message says everything a person
 * needs, the fields say it again for programs.
 *
 * @module
 */
import {
  BaseHandler,
  getLogger,
  type LevelName,
  type Logger,
  LogLevels,
  LogRecord,
  setup,
} from "@std/log";
import { LineWriter } from "./line_writer.ts";
import { Repeats } from "./repeats.ts";
import { visible, visibleJson } from "./visible.ts";

/** Who writes to the log: `machine` is the output of the machines themselves, where a backend has it. */
const PARTS = [
  "jitsu",
  "dns",
  "summon",
  "catch",
  "backend",
  "machine",
] as const;

export const LOG_FORMATS = ["human", "json"] as const;
export type LogFormat = typeof LOG_FORMATS[number];
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** Octets of the log that wait at the most for whoever reads stderr. */
const ROOM = 1024 * 1024;

/** How often the same warning or error is written within so many milliseconds. */
const REPEATS = 5, REPEAT_TIME = 10_000;

/** Writes to stderr, without ever waiting for who reads it, and the same trouble only so often. */
class StderrHandler extends BaseHandler {
  readonly #writer = new LineWriter(
    Deno.stderr,
    ROOM,
    (lost) => this.format(lostLines(lost)),
  );

  readonly #repeats = new Repeats<LogRecord>(
    REPEATS,
    REPEAT_TIME,
    (record, more) => this.log(this.format(repeated(record, more))),
  );

  override handle(record: LogRecord): void {
    const { loggerName, msg, level } = record;
    // What machines write is theirs, and limited where it is read.
    const isTrouble = level >= LogLevels.WARN && loggerName !== "machine";
    const key = `${loggerName} ${msg}`;
    if (!isTrouble || this.#repeats.passes(key, record)) super.handle(record);
  }

  log(line: string): void {
    this.#writer.line(line);
  }

  settle(limit: number): Promise<void> {
    this.#repeats.flush();
    return this.#writer.settle(limit);
  }
}

function repeated(
  { msg, args: [fields], level, loggerName }: LogRecord,
  more: number,
): LogRecord {
  return new LogRecord({
    msg: `${more} times more in ${REPEAT_TIME / 1000} s: ${msg}`,
    args: [{ ...(fields as object | undefined), repeated: more }],
    level,
    loggerName,
  });
}

function lostLines(lost: number): LogRecord {
  return new LogRecord({
    msg: `${lost} ${
      lost === 1 ? "line" : "lines"
    } of the log could not be written here`,
    args: [{ lost }],
    level: LogLevels.WARN,
    loggerName: "jitsu",
  });
}

function human(record: LogRecord): string {
  return `${record.datetime.toISOString()} ${
    record.levelName.padEnd(5)
  } ${record.loggerName}: ${visible(record.msg)}`;
}

function json(record: LogRecord): string {
  const { msg, levelName, loggerName, datetime, args: [fields] } = record;
  return visibleJson({
    time: datetime.toISOString(),
    level: levelName.toLowerCase(),
    part: loggerName,
    message: msg,
    ...(fields as object | undefined),
  });
}

let stderr: StderrHandler | undefined;

/**
 * Writes this too, as it is, after what was logged, and waits for all that to be written, but not longer than so many
 * milliseconds: who exits without it loses what was logged last.
 */
export async function endLog(
  limit: number,
  lines: readonly string[] = [],
): Promise<void> {
  for (const line of lines) stderr?.log(line);
  await stderr?.settle(limit);
}

/** Sends the log of every part to stderr from now on. Until this is called, nothing is logged. */
export function setupLog(
  options: { format: LogFormat; level: typeof LOG_LEVELS[number] },
): void {
  const level = options.level.toUpperCase() as LevelName;
  stderr = new StderrHandler(level, {
    formatter: options.format === "json" ? json : human,
  });
  setup({
    handlers: { stderr },
    loggers: Object.fromEntries(
      PARTS.map((part) => [part, { level, handlers: ["stderr"] }]),
    ),
  });
}

/** The log of one part of the program. */
export function log(part: typeof PARTS[number]): Logger {
  return getLogger(part);
}
