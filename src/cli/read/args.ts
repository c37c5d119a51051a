/**
 * What the command line and the configuration file say together: options, their values and unikernels. What a CONFIG
 * means is not known here.
 *
 * @module
 */
import { FileError, readTrusted } from "../../files.ts";
import { type ConfigFile, readConfigFile } from "./config_file.ts";
import type { Given, Option } from "../../values/key.ts";
import { readOption } from "./given.ts";
import {
  BACKEND_OPTIONS,
  OPTIONS,
  type OptionValues,
} from "../../daemon/option_table.ts";
import { printable, quoted } from "../../values/text.ts";
import { readWords } from "./words.ts";

/** A command line, read as far as it could be. */
export interface Arguments {
  /** Where a value was wrong, its default. */
  values: OptionValues;
  /** The options of backends that were given; a flag's value is empty. */
  settings: Map<string, string>;
  configs: string[];
  /** The unikernels of the configuration file. */
  unikernels: ConfigFile["unikernels"];
  where: Where;
  /** What is wrong with it, a line each. */
  problems: string[];
}

/** Where an option was given last, by its long name, as messages about its value begin. */
export type Where = (name: string) => string;

const TABLE: readonly Option[] = [...OPTIONS, ...BACKEND_OPTIONS];

/** Reads the program's arguments, and the configuration file that they name; what they say wins over the file. */
export function readArguments(
  argv: readonly string[],
  { needsConfig = true } = {},
): Arguments {
  const { given, operands: configs, problems } = readWords(argv, TABLE);
  // An unknown option may take a CONFIG along as its value.
  const mayMissConfigs = problems.length > 0;
  const file = fileOf(given.get("config")!.at(-1), problems);
  const givenFor = (name: string): readonly Given[] => {
    const where = `option --${name}`;
    const typed = given.get(name)!.map((text) => ({ text, where }));
    return typed.length > 0 ? typed : file?.given.get(name) ?? [];
  };
  const where = (name: string) =>
    givenFor(name).at(-1)?.where ?? `option --${name}`;
  const read = (option: Option) =>
    readOption(option, givenFor(option.name), problems);
  const values = Object.fromEntries(
    OPTIONS.map((option) => [option.name, read(option)]),
  ) as OptionValues;
  const settings = new Map<string, string>();
  for (const option of BACKEND_OPTIONS) {
    const value = read(option);
    if (typeof value === "string") settings.set(option.name, value);
    else if (value === true) settings.set(option.name, "");
  }
  const unikernels = file?.unikernels ?? [];
  const mayHaveNone = !needsConfig || mayMissConfigs || file !== undefined ||
    values.persistdb !== undefined;
  if (configs.length === 0 && !mayHaveNone) {
    problems.push(
      "there is no CONFIG: give one for each unikernel, such as dns=www.example.org,ip=10.0.0.1,name=www, or a " +
        "--config or --persistdb that has some (see jitsu --help)",
    );
  }
  return { values, settings, configs, unikernels, where, problems };
}

/** Reads the configuration file, if there is one. */
function fileOf(
  path: string | undefined,
  problems: string[],
): ConfigFile | undefined {
  if (!path) return undefined;
  let text: string;
  try {
    ({ text } = readTrusted(path, { followLink: true }));
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    problems.push(
      `option --config ${quoted(path)}: ${printable(error.message)}`,
    );
    return { given: new Map(), unikernels: [], problems: [] };
  }
  const file = readConfigFile(path, text, TABLE);
  problems.push(...file.problems);
  return file;
}
