/**
 * Values as people write them: each reader takes a text and gives what it means, or throws {@linkcode ValueError}
 * with what was expected instead. Which key or option the text belongs to is not known here.
 *
 * @module
 */
import { didYouMean } from "./text.ts";

/** A text is not what was expected. The message goes after "is not ", as in "a port number (1 to 65535)". */
export class ValueError extends Error {
  override name = "ValueError";
}

/** Reads a value. Throws {@linkcode ValueError}. */
export type Reader<T> = (text: string) => T;

/** Whole seconds in the longest timer of the runtime, 2^31 - 1 milliseconds: longer ones would fire at once. */
const MAX_SECONDS = Math.floor((2 ** 31 - 1) / 1000);

/** Any text, also none. */
export const readAnyText: Reader<string> = (text) => text;

/** Any text but none. */
export function readText(text: string): string {
  if (text === "") throw new ValueError("a text: it is empty");
  return text;
}

/**
 * The absolute path of a directory, without a slash at its end. It goes into units and scripts, whose languages have
 * each a way of their own to read anything but these characters.
 */
export function readDirectory(text: string): string {
  if (!/^\/[\w./+@-]*$/.test(text)) {
    throw new ValueError(
      'an absolute path of letters, digits, "/", ".", "_", "-", "+" and "@"',
    );
  }
  return text.replace(/\/+$/, "");
}

/** One of the words. */
export function readChoice<T extends string>(choices: readonly T[]): Reader<T> {
  return (text) => {
    const choice = choices.find((each) => each === text);
    if (choice !== undefined) return choice;
    throw new ValueError(
      `one of ${choices.join(", ")}${didYouMean(text, choices)}`,
    );
  };
}

/** `true`, `false`, `1` or `0`, in any case. */
export function readBoolean(text: string): boolean {
  const lower = text.toLowerCase();
  if (lower === "true" || lower === "1") return true;
  if (lower === "false" || lower === "0") return false;
  throw new ValueError("true, false, 1 or 0");
}

/** A whole number, of which `what` says what it is. */
export function readInteger(
  least: number,
  most: number,
  what: string,
): Reader<number> {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && value >= least && value <= most) return value;
    throw new ValueError(`${what} (${least} to ${most})`);
  };
}

/** How many of something, at least one. */
export const readCount: Reader<number> = readInteger(
  1,
  1_000_000,
  "a whole number",
);

/** How many of something, where 0 is no limit. */
export const readLimit: Reader<number> = readInteger(
  0,
  1_000_000,
  "a whole number",
);

/** For how long expired answers may be given out, in whole seconds: a week at the most. */
export const readStale: Reader<number> = readInteger(
  1,
  604_800,
  "a whole number of seconds",
);

/** One of a machine's network interfaces, in their order. */
export const readNic: Reader<number> = readInteger(
  0,
  1000,
  "the number of a network interface, where the first is 0",
);

/** Seconds, in decimal, with a fraction or an exponent where wanted. */
export function readSeconds(text: string): number {
  const value = Number(text);
  if (
    /^([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(text) &&
    value <= MAX_SECONDS
  ) return value;
  throw new ValueError(`a number of seconds (0 to ${MAX_SECONDS})`);
}

/** A UUID (RFC 9562 section 4), as libvirt reads it with its hyphens or without; in lower case with hyphens. */
export function readUuid(text: string): string {
  const digits = text.toLowerCase().replace(
    /^(.{8})-(.{4})-(.{4})-(.{4})-(.{12})$/,
    "$1$2$3$4$5",
  );
  if (!/^[0-9a-f]{32}$/.test(digits)) {
    throw new ValueError(
      "a UUID (such as 6e696eb7-09f4-484c-981b-8d34efa0304d)",
    );
  }
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
