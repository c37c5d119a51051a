/**
 * How the summoner words what it logs and refuses.
 *
 * @module
 */
import { log, type LOG_LEVELS } from "../log.ts";

/** Writes a line to the log; `fields` say the same again for programs. */
export type UnikernelLog = (
  level: typeof LOG_LEVELS[number],
  message: string,
  fields?: object,
) => void;

/** The log of one unikernel: each line begins with its name and has it as a field. */
export function unikernelLog(unikernel: string): UnikernelLog {
  return (level, message, fields) => {
    log("summon")[level](`${unikernel}: ${message}`, { unikernel, ...fields });
  };
}

/** A duration in milliseconds as a person reads it, e.g. `"2.31 s"`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

/** What an error says. Backends promise an `Error`; anything else that was thrown is shown as it is. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
