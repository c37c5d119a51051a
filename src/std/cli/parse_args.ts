/**
 * `parseArgs` as `@std/cli` documents it, over minimist, from which upstream's parser descends.
 *
 * @module
 */
import minimist from "minimist";

/** The options of {@linkcode parseArgs} that this stand-in knows. */
export interface ParseOptions {
  /** Options that take no value. */
  boolean?: readonly string[];
  /** Options whose value stays a string; `"_"` keeps positionals from being read as numbers. */
  string?: readonly string[];
  /** Options that may be given several times: their value is an array. Of any other option the last one counts. */
  collect?: readonly string[];
  /** Other names of an option. */
  alias?: Record<string, string | readonly string[]>;
  /** Values of options that were not given. */
  default?: Record<string, unknown>;
  /** Called for each argument that nothing above names; the argument is left out when it returns `false`. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** What {@linkcode parseArgs} returns: positionals in `_`, options by name. */
// deno-lint-ignore no-explicit-any -- upstream's type for options that were not declared
export type Args = { _: Array<string | number>; [name: string]: any };

/** Parses a command line. See https://jsr.io/@std/cli/doc/parse-args. */
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Args {
  const {
    boolean = [],
    string = [],
    collect = [],
    alias = {},
    default: defaults = {},
    unknown,
  } = options;
  const parsed = minimist([...args], {
    boolean: [...boolean],
    string: [...string],
    alias: Object.fromEntries(
      Object.entries(alias).map((
        [name, others],
      ) => [name, Array.isArray(others) ? [...others] : others as string]),
    ),
    default: defaults,
    unknown: unknown === undefined ? undefined : (arg: string) => {
      const option = /^--?([^=]+)(?:=([\s\S]*))?$/.exec(arg);
      return (option
        ? unknown(arg, option[1], option[2] ?? true)
        : unknown(arg)) !== false;
    },
  }) as Args;
  const collected = new Set(
    collect.flatMap((name) => [name, ...[alias[name] ?? []].flat()]),
  );
  for (const [name, value] of Object.entries(parsed)) {
    if (name === "_") continue;
    if (collected.has(name)) {
      parsed[name] = value === undefined ? [] : [value].flat();
    } else if (Array.isArray(value)) parsed[name] = value.at(-1);
  }
  for (const name of collected) parsed[name] ??= [];
  return parsed;
}
