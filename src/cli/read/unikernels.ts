/**
 * All unikernels that a command line and its configuration file describe.
 *
 * @module
 */
import type { Unreadable } from "../../fleet/configuration.ts";
import type { Unikernel } from "../../summon/unikernel.ts";
import { suggestCommand } from "./commands.ts";
import { isCutOff, type Pair, parseConfig } from "./config.ts";
import type { FileUnikernel } from "./config_file.ts";
import { printable, quoted } from "../../values/text.ts";
import { type Defaults, readUnikernel } from "./unikernel.ts";

/** Where a unikernel is described, and what is wrong there. */
interface Source extends FileUnikernel {
  /** The CONFIG as it was given, where it was one. */
  config?: string;
  /** What others call it. */
  name: string;
  problems: string[];
}

/** A unikernel, with where it is from. */
interface Described {
  source: Source;
  unikernel: Unikernel;
}

/**
 * The unikernels of the file and of the command line's CONFIGs. A CONFIG takes the place of the file's unikernel of the
 * same name. What is wrong is added to `problems`, a line each.
 */
export function readUnikernels(
  file: readonly FileUnikernel[],
  configs: readonly string[],
  defaults: Defaults,
  problems: string[],
): Unikernel[] {
  const words = joinCutOff(configs, problems);
  const ofFile = file.map((each): Source => ({
    ...each,
    name: each.at(),
    problems: [],
  }));
  const given = words.map(sourceOf);
  const sources = [...ofFile, ...given];
  const ofWords = given.flatMap((source) => describe(source, defaults));
  const replaced = new Set(ofWords.map(({ unikernel }) => unikernel.name));
  const described = [
    ...ofFile.flatMap((source) => describe(source, defaults))
      .filter(({ unikernel }) => !replaced.has(unikernel.name)),
    ...ofWords,
  ];
  checkIds(described);
  problems.push(...sources.flatMap((source) => source.problems));
  return described.map(({ unikernel }) => unikernel);
}

/** The unikernel of one CONFIG, or what is wrong with it, a line each. */
export function readSpec(
  spec: string,
  defaults: Defaults,
): Unikernel | Unreadable {
  const { pairs, problems } = parseConfig(spec);
  if (pairs.length === 0) return { problems };
  const report = (problem: string) => void problems.push(problem);
  const unikernel = readUnikernel(pairs, defaults, report);
  return problems.length > 0 ? { problems } : unikernel;
}

function sourceOf(config: string, i: number): Source {
  const { pairs, problems } = parseConfig(config);
  const name = `CONFIG ${i + 1}`;
  const at = () => name + labelOf(pairs);
  return {
    config,
    name,
    pairs,
    at,
    problems: problems.map((problem) =>
      `${at()}: ${problem}${pairs.length === 0 ? suggestCommand(config) : ""}`
    ),
  };
}

function describe(source: Source, defaults: Defaults): Described[] {
  const { pairs, at, problems, name } = source;
  const isEmptyConfig = pairs.length === 0 && name.startsWith("CONFIG ");
  if (isEmptyConfig) return []; // parseConfig has said why
  const unikernel = readUnikernel(
    pairs,
    defaults,
    (problem, key) => void problems.push(`${at(key)}: ${problem}`),
  );
  // It may be long, and stays in memory anyhow as an argument of the command line: one is enough.
  if (unikernel.spec === source.config) unikernel.spec = source.config;
  unikernel.fromFile = source.config === undefined;
  return [{ source, unikernel }];
}

/** No two may have a name or UUID in common. */
function checkIds(described: readonly Described[]): void {
  const owners = new Map<string, Source>();
  for (const { source, unikernel: { name, machine: { uuid } } } of described) {
    for (const id of new Set([name, uuid])) {
      if (!id) continue;
      const owner = owners.get(id);
      if (owner === undefined) owners.set(id, source);
      else {
        const key = id === uuid ? "uuid" : "name";
        source.problems.push(
          `${source.at(key)}: ${key} ${
            quoted(id)
          } is that of ${owner.name} too`,
        );
      }
    }
  }
}

/** Puts a CONFIG together again that white space after a comma has cut in two, so that what else is wrong is found. */
function joinCutOff(words: readonly string[], problems: string[]): string[] {
  const configs: string[] = [];
  words.forEach((word, i) => {
    if (i === 0 || !isCutOff(words[i - 1])) {
      configs.push(word);
      return;
    }
    problems.push(
      `CONFIG ${configs.length} ends in a comma before ${
        quoted(word)
      }: no white space may come after a comma`,
    );
    configs[configs.length - 1] += word;
  });
  return configs;
}

/** What somebody tells a CONFIG by: its names and addresses. Other values may be long, or secret. */
function labelOf(pairs: readonly Pair[]): string {
  const label = pairs
    .filter(({ key }) => ["dns", "ip", "name", "uuid"].includes(key))
    .map(({ key, value }) => `${key}=${value}`);
  return label.length === 0 ? "" : ` (${printable(label.join())})`;
}
