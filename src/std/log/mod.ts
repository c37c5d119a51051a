/**
 * A stand-in for `@std/log` where JSR cannot be reached: what Jitsu uses of it, with upstream's names and behaviour.
 * Removing the `links` entry in deno.json puts upstream's package in its place.
 *
 * @module
 */

/** The numeric value of each level. */
export const LogLevels = {
  NOTSET: 0,
  DEBUG: 10,
  INFO: 20,
  WARN: 30,
  ERROR: 40,
  CRITICAL: 50,
} as const;
/** A level's name. */
export type LevelName = keyof typeof LogLevels;
/** A level's numeric value. */
export type LogLevel = typeof LogLevels[LevelName];

function levelNameOf(level: LogLevel): LevelName {
  return (Object.keys(LogLevels) as LevelName[]).find((name) =>
    LogLevels[name] === level
  )!;
}

/** One log line on its way to the handlers. */
export class LogRecord {
  readonly msg: string;
  readonly level: LogLevel;
  readonly levelName: LevelName;
  readonly loggerName: string;
  readonly #args: unknown[];
  readonly #datetime = new Date();

  constructor(
    options: {
      msg: string;
      args: unknown[];
      level: LogLevel;
      loggerName: string;
    },
  ) {
    this.msg = options.msg;
    this.#args = [...options.args];
    this.level = options.level;
    this.levelName = levelNameOf(options.level);
    this.loggerName = options.loggerName;
  }
  get args(): unknown[] {
    return [...this.#args];
  }
  get datetime(): Date {
    return new Date(this.#datetime.getTime());
  }
}

/** Turns a record into the text a handler writes. */
export type FormatterFunction = (record: LogRecord) => string;

/** Where log lines go: subclasses say how one is written. */
export abstract class BaseHandler {
  readonly level: LogLevel;
  readonly levelName: LevelName;
  formatter: FormatterFunction;

  constructor(
    levelName: LevelName,
    options: { formatter?: FormatterFunction } = {},
  ) {
    this.levelName = levelName;
    this.level = LogLevels[levelName];
    this.formatter = options.formatter ??
      ((record) => `${record.levelName} ${record.msg}`);
  }
  handle(record: LogRecord): void {
    if (this.level <= record.level) this.log(this.format(record));
  }
  format(record: LogRecord): string {
    return this.formatter(record);
  }
  abstract log(msg: string): void;
  setup(): void {}
  destroy(): void {}
}

/** Writes records of its level and above to its handlers. */
export class Logger {
  readonly handlers: BaseHandler[];
  readonly level: LogLevel;

  constructor(
    readonly loggerName: string,
    levelName: LevelName,
    options: { handlers?: BaseHandler[] } = {},
  ) {
    this.level = LogLevels[levelName];
    this.handlers = options.handlers ?? [];
  }
  #log(level: LogLevel, msg: string, args: unknown[]): string {
    if (this.level <= level) {
      const record = new LogRecord({
        msg,
        args,
        level,
        loggerName: this.loggerName,
      });
      for (const handler of this.handlers) handler.handle(record);
    }
    return msg;
  }
  debug(msg: string, ...args: unknown[]): string {
    return this.#log(LogLevels.DEBUG, msg, args);
  }
  info(msg: string, ...args: unknown[]): string {
    return this.#log(LogLevels.INFO, msg, args);
  }
  warn(msg: string, ...args: unknown[]): string {
    return this.#log(LogLevels.WARN, msg, args);
  }
  error(msg: string, ...args: unknown[]): string {
    return this.#log(LogLevels.ERROR, msg, args);
  }
}

/** What {@linkcode setup} takes. */
export interface LogConfig {
  handlers?: Record<string, BaseHandler>;
  loggers?: Record<string, { level?: LevelName; handlers?: string[] }>;
}

const loggers = new Map<string, Logger>();
let handlers: Record<string, BaseHandler> = {};

/** Replaces all handlers and loggers by those of `config`. */
export function setup(config: LogConfig): void {
  for (const handler of Object.values(handlers)) handler.destroy();
  handlers = config.handlers ?? {};
  for (const handler of Object.values(handlers)) handler.setup();
  loggers.clear();
  for (
    const [name, { level = "INFO", handlers: names = [] }] of Object.entries(
      config.loggers ?? {},
    )
  ) {
    loggers.set(
      name,
      new Logger(name, level, {
        handlers: names.map((each) => handlers[each]).filter((each) =>
          each !== undefined
        ),
      }),
    );
  }
}

/** The logger of that name; one without handlers where {@linkcode setup} named none. */
export function getLogger(name = "default"): Logger {
  let logger = loggers.get(name);
  if (logger === undefined) {
    logger = new Logger(name, "NOTSET");
    loggers.set(name, logger);
  }
  return logger;
}
