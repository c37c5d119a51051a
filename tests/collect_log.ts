/**
 * The log as a list of lines.
 *
 * @module
 */
import { BaseHandler, setup } from "@std/log";

/** Collects what a part of the program logs from now on, as `LEVEL message`. */
export function collectLog(part: string): string[] {
  const lines: string[] = [];
  class Collector extends BaseHandler {
    log(line: string): void {
      lines.push(line);
    }
  }
  const formatter = (record: { levelName: string; msg: string }) =>
    `${record.levelName} ${record.msg}`;
  setup({
    handlers: { collector: new Collector("DEBUG", { formatter }) },
    loggers: { [part]: { level: "DEBUG", handlers: ["collector"] } },
  });
  return lines;
}
