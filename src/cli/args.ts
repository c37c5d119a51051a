/**
 * The words of the command line: options, their values and what is left as CONFIGs. What a CONFIG means is not known
 * here.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { LATER, NOT_YET } from "./later.ts";
import {
  BACKEND_OPTIONS,
  type Option,
  OPTIONS,
  type OptionValues,
} from "./options.ts";
import { didYouMean, printable, quoted } from "./text.ts";
import { type Reader, ValueError } from "./values.ts";

/** A command line, read as far as it could be. */
export interface Arguments {
  /** Where a value was wrong, its default. */
  values: OptionValues;
  /** The options of backends that were given; a flag's value is empty. */
  settings: Map<string, string>;
  configs: string[];
  /** What is wrong with it, a line each. */
  problems: string[];
}

const table: readonly Option[] = [...OPTIONS, ...BACKEND_OPTIONS];
const valued = table.filter(({ value }) => value !== undefined);
const flags = table.filter(({ value }) => value === undefined);

/** Reads the program's arguments. */
export function readArguments(argv: readonly string[]): Arguments {
  const problems: string[] = [];
  const end = argv.includes("--") ? argv.indexOf("--") : argv.length;
  const words = argv.slice(0, end).flatMap((word) => spellOut(word, problems));
  // An unknown option may take a CONFIG along as its value.
  const mayMissConfigs = problems.length > 0;
  const configs: string[] = [];
  const parsed: Record<string, unknown> = parseArgs(
    [...words, ...argv.slice(end)],
    {
      string: valued.map(({ name }) => name),
      collect: valued.map(({ name }) => name),
      boolean: flags.map(({ name }) => name),
      alias: Object.fromEntries(
        valued.flatMap(({ name, short }) => short ? [[name, short]] : []),
      ),
      // CONFIGs are taken here since "_" has them as numbers where they look like it.
      unknown: (word, key) => {
        if (key === undefined) configs.push(word);
        return false;
      },
    },
  );
  configs.push(...parsed._ as string[]); // those after "--"
  const read = (option: Option) =>
    option.read === undefined
      ? parsed[option.name]
      : valueOf(option, option.read, parsed[option.name] as string[], problems);
  const values = Object.fromEntries(
    OPTIONS.map((option) => [option.name, read(option)]),
  ) as OptionValues;
  const settings = new Map<string, string>();
  for (const option of BACKEND_OPTIONS) {
    const value = read(option);
    if (typeof value === "string") settings.set(option.name, value);
    else if (value === true) settings.set(option.name, "");
  }
  if (
    configs.length === 0 && !mayMissConfigs && values.persistdb === undefined
  ) {
    problems.push(
      "there is no CONFIG: give one for each unikernel, such as dns=www.example.org,ip=10.0.0.1,name=www, or a " +
        "--persistdb that has some (see jitsu --help)",
    );
  }
  return { values, settings, configs, problems };
}

/** What an unknown option becomes: one that parseArgs does not know either, and takes the next word along as a value. */
const UNKNOWN = "--?";

/**
 * A word in a form that parseArgs reads as it is meant. parseArgs does not know that a short option's value may follow
 * at once (`-mdestroy`), nor that a flag takes none (`--version=1`); it knows short options with two dashes, and reads
 * `--no-bind=x` as `--bind=x`. Where a value can be left out, the next word is none. Nothing is left of a wrong option that brings its own value.
 */
function spellOut(word: string, problems: string[]): string[] {
  const [, dashes, name, rest] = /^(--?)(.[^=]*)(.*)$/s.exec(word) ?? [];
  if (name === undefined) return [word];
  const long = table.find((option) => option.name === name);
  // A long name after one dash is a mistake, which as a short option would pass for -d with the value "elay".
  const isLong = dashes === "--" || long !== undefined;
  const option = isLong
    ? dashes === "--" ? long : undefined
    : table.find(({ short }) => short === name[0]);
  const value = isLong ? rest : word.slice(2);
  if (option === undefined) {
    problems.push(unknownOption(dashes + name));
    return value === "" ? [UNKNOWN] : [];
  }
  if (value === "" && option.bare === undefined) return [word];
  if (option.value === undefined) {
    problems.push(`option --${name} takes no value`);
    return [];
  }
  return [`--${option.name}=${value.replace(/^=/, "")}`];
}

function unknownOption(word: string): string {
  const short = word.toLowerCase();
  const suggestion = word.length > 2
    ? didYouMean(word, table.map(({ name }) => `--${name}`))
    : valued.some((option) => `-${option.short}` === short)
    ? `; did you mean ${short}?`
    : "";
  return `option ${printable(word)} is unknown${suggestion}`;
}

/** The value of an option from the texts it was given. */
function valueOf(
  option: Option,
  read: Reader<unknown>,
  given: readonly string[],
  problems: string[],
): unknown {
  const name = `option --${option.name}`;
  if (given.length > 0 && LATER.options.includes(option.name)) {
    problems.push(`${name} is ${NOT_YET}`);
  }
  const values = given.flatMap((each) => {
    const text = each === "" ? option.bare : each;
    if (text === undefined) {
      problems.push(`${name} needs a value: ${option.value}`);
      return [];
    }
    try {
      return [read(text)];
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      problems.push(`${name} ${quoted(text)} is not ${error.message}`);
      return [];
    }
  });
  if (option.repeatable) return values;
  if (given.length > 1) {
    problems.push(`${name} is given ${given.length} times, once is the most`);
  }
  if (values.length > 0) return values.at(-1);
  return option.absent === undefined ? undefined : read(option.absent);
}
