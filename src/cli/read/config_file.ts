/**
 * The configuration file: TOML that says what the command line can say. An option stands under its long name, a
 * unikernel is a `[[unikernel]]` with the keys of a CONFIG, and what may be given repeatedly is an array. What the
 * values mean is not known here; the file is never written.
 *
 * @module
 */
import { parse, TomlError } from "smol-toml";
import type { Pair } from "./config.ts";
import { lineFinder } from "./config_lines.ts";
import type { Given, Option } from "../../values/key.ts";
import { didYouMean, printable } from "../../values/text.ts";

/** A unikernel of the file. */
export interface FileUnikernel {
  pairs: Pair[];
  /** Where it is, or one of its keys is, e.g. `"jitsu.toml:12"`. */
  at(key?: string): string;
}

/** A configuration file, read as far as it could be. */
export interface ConfigFile {
  /** What each option was given, by its long name. */
  given: ReadonlyMap<string, readonly Given[]>;
  unikernels: FileUnikernel[];
  /** What is wrong with it, a line each. */
  problems: string[];
}

/** The table of unikernels. */
const UNIKERNEL = "unikernel";
/** What can be said only where Jitsu is started. */
const COMMAND_LINE_ONLY = ["config", "help", "version"];

/** Reads the text of a file that has this path and may have these options. */
export function readConfigFile(
  path: string,
  text: string,
  table: readonly Option[],
): ConfigFile {
  const file = {
    given: new Map<string, Given[]>(),
    unikernels: [] as FileUnikernel[],
    problems: [] as string[],
  };
  let content: Record<string, unknown>;
  try {
    content = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [what] = error.message.replace(/^Invalid TOML document: /, "")
      .split("\n");
    file.problems.push(
      `${path}:${error.line}:${error.column}: not TOML: ${what}`,
    );
    return file;
  }
  const lineOf = lineFinder(text);
  const { [UNIKERNEL]: unikernels = [], ...options } = content;
  for (const [name, value] of Object.entries(options)) {
    // Where it is takes long to find in a long file: only a message needs it.
    const at = () => `${path}:${lineOf(undefined, name)}`;
    const option = table.find((each) => each.name === name);
    if (option === undefined || COMMAND_LINE_ONLY.includes(name)) {
      file.problems.push(`${at()}: ${unknown(name, option, table)}`);
      continue;
    }
    const texts = optionTexts(option, value);
    if (typeof texts === "string") {
      file.problems.push(`${at()}: ${name} ${texts}`);
    } else {
      const given = texts.map((text) => ({
        text,
        get where() {
          return `${at()}: ${name}`;
        },
      }));
      file.given.set(name, given);
    }
  }
  if (!Array.isArray(unikernels) || !unikernels.every(isTable)) {
    file.problems.push(
      `${path}:${
        lineOf(undefined, UNIKERNEL)
      }: ${UNIKERNEL} is not an array of tables: write [[${UNIKERNEL}]]`,
    );
    return file;
  }
  unikernels.forEach((unikernel: Record<string, unknown>, i) => {
    const at = (key?: string) => `${path}:${lineOf(i, key)}`;
    const pairs: Pair[] = [];
    for (const [key, value] of Object.entries(unikernel)) {
      const texts = textsOf(value);
      if (typeof texts === "string") {
        file.problems.push(`${at(key)}: ${printable(key)} ${texts}`);
      } else pairs.push(...texts.map((value) => ({ key, value })));
    }
    file.unikernels.push({ pairs, at });
  });
  return file;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null &&
    !Array.isArray(value) && !(value instanceof Date);
}

function unknown(
  name: string,
  option: Option | undefined,
  table: readonly Option[],
): string {
  if (option !== undefined) return `${name} is for the command line only`;
  const names = [...table.map((each) => each.name), UNIKERNEL];
  return `option ${printable(name)} is unknown${didYouMean(name, names)}`;
}

/** What an option was given, as it would be typed; or what is wrong with that. */
function optionTexts(
  { value: takes, bare, repeatable }: Option,
  value: unknown,
): string[] | string {
  if (takes === undefined) {
    if (typeof value !== "boolean") return "is not true or false";
    return value ? ["true"] : [];
  }
  if (bare !== undefined && typeof value === "boolean") {
    return value ? [bare] : [];
  }
  const texts = textsOf(value);
  if (typeof texts === "string" || repeatable || !Array.isArray(value)) {
    return texts;
  }
  return "is an array, and can be given once only";
}

/** A value as it would be typed, for each time that it would be; or what is wrong with it. */
function textsOf(value: unknown): string[] | string {
  const texts = [value].flat().map((each) =>
    ["string", "number", "boolean"].includes(typeof each)
      ? String(each)
      : undefined
  );
  if (texts.some((text) => text === undefined)) {
    return "is not a string, a number, true, false, or an array of these";
  }
  return texts.some((text) => text!.includes("\0"))
    ? "has a NUL character"
    : texts as string[];
}
