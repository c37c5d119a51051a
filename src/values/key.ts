/**
 * What can be configured by name: keys of a CONFIG and options. Whatever the table that a key is in, its texts are read
 * here, once, and handed on as what they mean.
 *
 * @module
 */
import { controlIn } from "../visible.ts";
import { type Reader, ValueError } from "./readers.ts";
import { quoted } from "./text.ts";

/** A key of a CONFIG. */
export interface Key<T = unknown> {
  readonly name: string;
  /** What it means, for `--help` and the man page: sentences, where words to type stand in backquotes. */
  readonly doc: string;
  /** Makes the value of the text. Touches nothing. Values are plain data: two that are the same are equal, part by part. */
  readonly read: Reader<T>;
  /** The value that counts when the key is not given, as it would be typed. */
  readonly absent?: string;
  /** Whether it may be given several times; its value is an array then. */
  readonly repeatable?: true;
  readonly required?: true;
  /** Whether it may have tabs and ends of lines, which no other value may have. */
  readonly hasLines?: true;
}

/** An option of the command line. */
export interface Option extends Omit<Key, "read" | "required" | "hasLines"> {
  /** The short name, one letter. */
  readonly short?: string;
  /** What the value is called, in capitals; a flag has neither this nor `read`. */
  readonly value?: string;
  readonly read?: Reader<unknown>;
  /** The value that counts when the option is given without one; where there is this, a value comes after `=`. */
  readonly bare?: string;
  /** Values to choose from, for the shells' completions. */
  readonly choices?: readonly string[];
  /** Whether a reload of the configuration applies it; any other counts from the next start on. */
  readonly reloads?: boolean;
}

/** What the keys or options of a table mean, by their names. What has no reader is a flag, true or false. */
export type ValuesOf<Table extends readonly (Key | Option)[]> = {
  readonly [K in Table[number] as K["name"]]: K extends
    { read: Reader<infer T> } ? K extends { repeatable: true } ? readonly T[]
    : K extends { absent: string } | { required: true } ? T
    : T | undefined
    : boolean;
};

/** What a key was given, once. */
export interface Given {
  text: string;
  /** Which key it is and where it stands, for messages: `"ttl"`, `"option --ttl"`, `"jitsu.toml:3: ttl"`. */
  readonly where: string;
}

/** Told what is wrong, and with which key where it is there. */
export type Report = (problem: string, key?: string) => void;

/**
 * The value of a key: an array where it is repeatable, what its absence means where it was not given. What is wrong is
 * reported, a line each; it is as if it had not been given then.
 */
export function readValue<T>(
  { read, absent, repeatable, hasLines }: Pick<
    Key<T>,
    "read" | "absent" | "repeatable" | "hasLines"
  >,
  given: readonly Given[],
  report: (problem: string) => void,
): T | T[] | undefined {
  if (given.length > 1 && !repeatable) {
    report(
      `${given[0].where} is given ${given.length} times, once is the most`,
    );
  }
  const values = given.flatMap((each) => {
    const { text } = each;
    const wrong = controlIn(hasLines ? text.replace(/[\t\n]/g, " ") : text);
    if (wrong !== undefined) {
      report(`${each.where} ${quoted(text)} ${wrong}`);
      return [];
    }
    try {
      return [read(text)];
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      report(`${each.where} ${quoted(text)} is not ${error.message}`);
      return [];
    }
  });
  if (values.length === 0 && absent !== undefined) values.push(read(absent));
  return repeatable ? values : values.at(-1);
}

/**
 * What a CONFIG says of the keys of a table, from the texts that each was given. What is wrong is reported, a line each.
 * A key that is required and not given, or given wrongly, is `undefined` all the same.
 */
export function readKeys<Table extends readonly Key[]>(
  table: Table,
  given: ReadonlyMap<string, readonly string[]>,
  report: Report,
): ValuesOf<Table> {
  return Object.fromEntries(table.map((key) => {
    const { name } = key;
    const value = readValue(
      key,
      (given.get(name) ?? []).map((text) => ({ text, where: name })),
      (problem) => report(problem, name),
    );
    return [name, value];
  })) as ValuesOf<Table>;
}
