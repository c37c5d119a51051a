/**
 * `parseArgs` as `@std/cli` documents it: long and short options, their values as strings, numbers or booleans.
 *
 * @module
 */

/** The options of {@linkcode parseArgs} that this stand-in knows. */
export interface ParseOptions {
  /** Options that take no value. They are `false` when not given. */
  boolean?: readonly string[];
  /** Options whose value stays a string; `"_"` keeps positionals from being read as numbers. */
  string?: readonly string[];
  /** Options that may be given several times: their value is an array. Of any other option the last one counts. */
  collect?: readonly string[];
  /** Other names of an option. */
  alias?: Record<string, string | readonly string[]>;
  /** Called for each argument that nothing above names; the argument is left out when it returns `false`. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** What {@linkcode parseArgs} returns: positionals in `_`, options by name. */
// deno-lint-ignore no-explicit-any -- upstream's type for options that were not declared
export type Args = { _: Array<string | number>; [name: string]: any };

type Value = string | number | boolean;

const isNumber = (text: string) =>
  /\S/.test(text) && Number.isFinite(Number(text));
const isTruth = (text: string) => text === "true" || text === "false";

/** Sets `a.b.c` to the value, making objects on the way; names that would reach a prototype are left out. */
function setPath(target: Args, name: string, value: Value, collects: boolean) {
  const path = name.split(".");
  const last = path.pop()!;
  const isPrototype = (object: Args, key: string) =>
    key === "__proto__" ||
    key === "constructor" && typeof object[key] === "function";
  for (const key of path) {
    if (isPrototype(target, key)) return;
    target = target[key] ??= {};
  }
  if (isPrototype(target, last)) return;
  if (!collects) target[last] = value;
  else if (Array.isArray(target[last])) target[last].push(value);
  else target[last] = target[last] ? [target[last], value] : [value];
}

/** Parses a command line. See https://jsr.io/@std/cli/doc/parse-args. */
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Args {
  const { alias = {}, unknown } = options;
  const families = Object.entries(alias).map((
    [name, others],
  ) => [name, ...[others].flat()]);
  /** A name with all its other names, itself first. */
  const family = (name: string) => [
    name,
    ...families.find((names) => names.includes(name))?.filter((each) =>
      each !== name
    ) ?? [],
  ];
  const declared = (names: readonly string[] = []) =>
    new Set(names.flatMap(family));
  const booleans = declared(options.boolean);
  const strings = declared(options.string);
  const collected = declared(options.collect);
  const known = new Set([
    ...booleans,
    ...strings,
    ...collected,
    ...families.flat(),
  ]);

  const result: Args = { _: [] };
  function set(name: string, value: Value, arg: string) {
    if (!known.has(name) && unknown?.(arg, name, value) === false) return;
    if (typeof value === "string" && !strings.has(name) && isNumber(value)) {
      value = Number(value);
    }
    for (const each of family(name)) {
      setPath(result, each, value, collected.has(name));
    }
  }
  const bare = (name: string) => strings.has(name) ? "" : true;
  /** Sets an option from the word after it, where that is its value; says whether it was. */
  function setFromNext(name: string, next: string | undefined, arg: string) {
    if (!next) return false;
    const dash = name.length > 1 || arg.startsWith("--")
      ? next.startsWith("-")
      : /^(-|--)[^-]/.test(next);
    if (!booleans.has(name) && !dash) set(name, next, arg);
    else if (isTruth(next)) set(name, next === "true", arg);
    else return false;
    return true;
  }
  /** Sets the options of `-abc`, but for the last one when that may take the next word: that one is returned. */
  function setCluster(arg: string): string | undefined {
    for (let i = 1; i < arg.length - 1; i++) {
      const letter = arg[i], rest = arg.slice(i + 1);
      if (rest === "=") return void set(letter, "", arg);
      if (/[A-Za-z]/.test(letter)) {
        const value = /=(.+)/.exec(rest)?.[1] ??
          (/\d+(\.\d*)?(e-?\d+)?$/.test(rest) ? rest : undefined);
        if (value !== undefined) return void set(letter, value, arg);
      }
      if (rest === "-") return void set(letter, rest, arg);
      if (rest.length > 1 && /\W/.test(rest[0])) {
        return void set(letter, rest, arg);
      }
      set(letter, bare(letter), arg);
    }
    return arg.at(-1);
  }

  const end = args.indexOf("--");
  const words = end === -1 ? args : args.slice(0, end);
  for (let i = 0; i < words.length; i++) {
    const arg = words[i];
    const long = /^--(no-)?(.+?)(?:=(.*))?$/s.exec(arg);
    if (long && long[3] !== undefined) { // upstream drops a "no-" before a value
      const [, , name, value] = long;
      set(name, booleans.has(name) ? value !== "false" : value, arg);
    } else if (long || /^-[^-]/.test(arg)) {
      const name = long ? (long[1] ?? "") + long[2] : setCluster(arg);
      if (name === undefined) continue;
      if (setFromNext(name, words[i + 1], arg)) i++;
      else set(name, bare(name), arg);
    } else if (unknown?.(arg) !== false) {
      result._.push(strings.has("_") || !isNumber(arg) ? arg : Number(arg));
    }
  }
  for (const name of collected) {
    if (booleans.has(name) || strings.has(name)) result[name] ??= [];
  }
  for (const name of booleans) result[name] ??= false;
  if (end !== -1) result._.push(...args.slice(end + 1));
  return result;
}
