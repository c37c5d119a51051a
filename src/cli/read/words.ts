/**
 * The words of a command line, sorted: which option was given what, and what is no option. What values mean is not
 * known here.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import type { Option } from "../../values/key.ts";
import { didYouMean, printable } from "../../values/text.ts";

/** A command line, sorted as far as it could be. */
export interface Words {
  /** The texts that each option was given, by its long name; `"true"` for a flag. */
  given: ReadonlyMap<string, readonly string[]>;
  /** The words that are no options. */
  operands: string[];
  /** What is wrong with it, a line each. Operands may be missing then: an unknown option takes the next word along. */
  problems: string[];
}

/** Sorts the words of a command line that may have these options. */
export function readWords(
  argv: readonly string[],
  table: readonly Option[],
): Words {
  const valued = table.filter(({ value }) => value !== undefined);
  const problems: string[] = [];
  const end = argv.includes("--") ? argv.indexOf("--") : argv.length;
  const words = argv.slice(0, end).flatMap((word) =>
    spellOut(word, table, problems)
  );
  const operands: string[] = [];
  const parsed: Record<string, unknown> = parseArgs(
    [...words, ...argv.slice(end)],
    {
      string: valued.map(({ name }) => name),
      collect: valued.map(({ name }) => name),
      boolean: table.filter(({ value }) => value === undefined)
        .map(({ name }) => name),
      alias: Object.fromEntries(
        valued.flatMap(({ name, short }) => short ? [[name, short]] : []),
      ),
      // Operands are taken here since "_" has them as numbers where they look like it.
      unknown: (word, key) => {
        if (key === undefined) operands.push(word);
        return false;
      },
    },
  );
  operands.push(...parsed._ as string[]); // those after "--"
  const given = new Map(table.map(({ name, value }) => [
    name,
    value !== undefined
      ? parsed[name] as string[]
      : parsed[name]
      ? ["true"]
      : [],
  ]));
  return { given, operands, problems };
}

/** What an unknown option becomes: one that parseArgs does not know either, and takes the next word along as a value. */
const UNKNOWN = "--?";

/**
 * A word in a form that parseArgs reads as it is meant. parseArgs does not know that a short option's value may follow
 * at once (`-mdestroy`), nor that a flag takes none (`--version=1`); it knows short options with two dashes, and reads
 * `--no-bind=x` as `--bind=x`. Where a value can be left out, the next word is none. Nothing is left of a wrong option that brings its own value.
 */
function spellOut(
  word: string,
  table: readonly Option[],
  problems: string[],
): string[] {
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
    problems.push(unknownOption(dashes + name, table));
    return value === "" ? [UNKNOWN] : [];
  }
  if (value === "" && option.bare === undefined) return [word];
  if (option.value === undefined) {
    problems.push(`option --${option.name} takes no value`);
    return [];
  }
  return [`--${option.name}=${value.replace(/^=/, "")}`];
}

function unknownOption(word: string, table: readonly Option[]): string {
  const short = word.toLowerCase();
  const suggestion = word.length > 2
    ? didYouMean(word, table.map(({ name }) => `--${name}`))
    : table.some((option) => `-${option.short}` === short)
    ? `; did you mean ${short}?`
    : "";
  return `option ${printable(word)} is unknown${suggestion}`;
}
