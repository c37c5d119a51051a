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
  type LogRecord,
  setup,
} from "@std/log";

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

/** Writes to stderr; a line that cannot be written (full disk, closed pipe) is counted, and the count told later. */
class StderrHandler extends BaseHandler {
  #lost = 0;

  log(line: string): void {
    try {
      if (this.#lost > 0) {
        writeAll(`(${this.#lost} log lines could not be written)\n`);
        this.#lost = 0;
      }
      writeAll(line + "\n");
    } catch {
      this.#lost++;
    }
  }
}

const encoder = new TextEncoder();
function writeAll(text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) {
    at += Deno.stderr.writeSync(bytes.subarray(at));
  }
}

/** Control characters, but for those a message of ours never holds, could forge lines or steer a terminal. */
function printable(text: string): string {
  return text.replace(
    /\p{Cc}/gu,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function human(record: LogRecord): string {
  return `${record.datetime.toISOString()} ${
    record.levelName.padEnd(5)
  } ${record.loggerName}: ${printable(record.msg)}`;
}

function json(record: LogRecord): string {
  const { msg, levelName, loggerName, datetime, args: [fields] } = record;
  return JSON.stringify({
    time: datetime.toISOString(),
    level: levelName.toLowerCase(),
    part: loggerName,
    message: msg,
    ...(fields as object | undefined),
  });
}

/** Sends the log of every part to stderr from now on. Until this is called, nothing is logged. */
export function setupLog(
  options: { format: LogFormat; level: typeof LOG_LEVELS[number] },
): void {
  const level = options.level.toUpperCase() as LevelName;
  setup({
    handlers: {
      stderr: new StderrHandler(level, {
        formatter: options.format === "json" ? json : human,
      }),
    },
    loggers: Object.fromEntries(
      PARTS.map((part) => [part, { level, handlers: ["stderr"] }]),
    ),
  });
}

/** The log of one part of the program. */
export function log(part: typeof PARTS[number]): Logger {
  return getLogger(part);
}
