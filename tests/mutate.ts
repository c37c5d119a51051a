/**
 * Whether the tests notice when the code is wrong: changes one operator or boolean of src at a time, at random, and runs
 * the unit tests of that room. What no test notices is printed at the end: a place where a test is missing, or where the
 * change makes no difference.
 *
 * `deno task mutate [--seed N] [--count N] [--room PATH]`, on a copy of the repository.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a script that talks to whoever runs it
import { parseArgs } from "@std/cli";
import { dirname, join } from "node:path";

const REPOSITORY = new URL("..", import.meta.url).pathname;
/** Rooms whose unit tests need nothing but the files here. */
const ROOMS = [
  "dns",
  "net",
  "summon",
  "fleet",
  "operate",
  "control",
  "cli",
  "store",
  "daemon",
];
/** Milliseconds after which tests that have not ended have noticed. */
const PATIENCE = 300_000;

/** What takes the place of what; `deno fmt` sees to the blanks around operators, which generics have not. */
const CHANGES: Record<string, string> = {
  " === ": " !== ",
  " !== ": " === ",
  " < ": " <= ",
  " <= ": " < ",
  " > ": " >= ",
  " >= ": " > ",
  " && ": " || ",
  " || ": " && ",
  " + ": " - ",
  " - ": " + ",
  " += ": " -= ",
  " -= ": " += ",
  "++": "--",
  "--": "++",
  "true": "false",
  "false": "true",
};
const CHANGEABLE = new RegExp(
  ["//", "/\\*", "[\"'`]"].join("|") + "|" +
    Object.keys(CHANGES).map((each) =>
      /\w/.test(each) ? `\\b${each}\\b` : each.replace(/[+|]/g, "\\$&")
    ).join("|"),
  "g",
);

interface Mutation {
  path: string;
  offset: number;
  from: string;
  to: string;
}

/** Where the text that begins at `start` ends: a comment, a string or a template with what is in it. */
function endOf(text: string, start: number, opening: string): number {
  if (opening === "//" || opening === "/*") {
    const closing = opening === "//" ? "\n" : "*/";
    const end = text.indexOf(closing, start);
    return end < 0 ? text.length : end + closing.length;
  }
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === opening) return at + 1;
  }
  return text.length;
}

/** All that can be changed in a file, comments, strings and types of properties left out. */
function mutationsOf(path: string): Mutation[] {
  const text = Deno.readTextFileSync(join(REPOSITORY, path));
  const found: Mutation[] = [];
  CHANGEABLE.lastIndex = 0;
  for (let match; (match = CHANGEABLE.exec(text)) !== null;) {
    const [from] = match, offset = match.index;
    const to = CHANGES[from];
    if (to === undefined) {
      CHANGEABLE.lastIndex = endOf(text, offset, from);
      continue;
    }
    const isType = /[?\w]: $|\| $/.test(text.slice(offset - 3, offset)) &&
      /^(?:true|false)(?:;| \|)/.test(text.slice(offset));
    if (!isType) found.push({ path, offset, from, to });
  }
  return found;
}

function* sources(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(join(REPOSITORY, folder))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts")) yield path;
  }
}

/** A generator of numbers from 0 to 1 that gives the same ones for a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether tests of the copy fail, or do not end. */
async function fail(copy: string, tests: string[]): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "--config=tests/deno.json",
      "-A",
      "--no-check",
      "--fail-fast",
      ...tests,
    ],
    cwd: copy,
    stdin: "null",
    stdout: "null",
    stderr: "null",
    signal: AbortSignal.timeout(PATIENCE),
  }).spawn();
  return !(await child.status).success;
}

/** The unit tests that may notice: first those of the file itself, then all of its room and of those nearest to it. */
function testsFor(path: string): string[][] {
  const own = path.replace(/^src/, "tests").replace(/\.ts$/, "_test.ts");
  let folder = dirname(own);
  while (!exists(join(REPOSITORY, folder))) folder = dirname(folder);
  const [, room] = path.split("/");
  const rounds = [[own], [folder], [`tests/${room}`, "tests/fleet"]];
  return rounds.map((tests) =>
    tests.filter((each) => exists(join(REPOSITORY, each)))
  ).filter((tests) => tests.length > 0);
}

async function isNoticed(copy: string, mutation: Mutation): Promise<boolean> {
  const { path, offset, from, to } = mutation;
  const original = Deno.readTextFileSync(join(REPOSITORY, path));
  const wrong = original.slice(0, offset) + to +
    original.slice(offset + from.length);
  Deno.writeTextFileSync(join(copy, path), wrong);
  try {
    for (const tests of testsFor(path)) {
      if (await fail(copy, tests)) return true;
    }
    return false;
  } finally {
    Deno.writeTextFileSync(join(copy, path), original);
  }
}

/** `path:line: the line, with the change`. */
function describe({ path, offset, from, to }: Mutation): string {
  const text = Deno.readTextFileSync(join(REPOSITORY, path));
  const line = text.slice(0, offset).split("\n").length;
  const source = text.split("\n")[line - 1].trim();
  return `${path}:${line}: "${from.trim()}" made "${to.trim()}" in: ${source}`;
}

const given = parseArgs(Deno.args, { string: ["seed", "count", "room"] });
const seed = Number(given.seed ?? Date.now() % 1e6);
const count = Number(given.count ?? 200);
const rooms = given.room === undefined ? ROOMS : [given.room];

const all = rooms.flatMap((room) => [...sources(`src/${room}`)])
  .flatMap(mutationsOf);
const random = randomFrom(seed);
const chosen = new Set<Mutation>();
while (chosen.size < Math.min(count, all.length)) {
  chosen.add(all[Math.floor(random() * all.length)]);
}

const copy = Deno.makeTempDirSync({ prefix: "jitsu-mutate-" });
const survivors: Mutation[] = [];
try {
  for (
    const each of [
      "src",
      "tests",
      "main.ts",
      "deno.json",
      "deno.lock",
      "README.md",
    ]
  ) {
    const { success } = await new Deno.Command("cp", {
      args: ["-r", join(REPOSITORY, each), copy],
    }).output();
    if (!success) throw new Error(`${each} could not be copied`);
  }
  const folders = rooms.map((room) => `tests/${room}`);
  if (await fail(copy, folders.filter((each) => exists(join(copy, each))))) {
    throw new Error("the tests fail before anything is changed");
  }
  console.log(`seed ${seed}: ${chosen.size} of ${all.length} changes`);
  let done = 0;
  for (const mutation of chosen) {
    const noticed = await isNoticed(copy, mutation);
    if (!noticed) survivors.push(mutation);
    done++;
    const word = noticed ? "noticed" : "NOT NOTICED";
    console.log(`${done}/${chosen.size} ${word} ${describe(mutation)}`);
  }
} finally {
  Deno.removeSync(copy, { recursive: true });
}
const noticed = chosen.size - survivors.length;
console.log(
  `\n${noticed} of ${chosen.size} changes were noticed (${
    (100 * noticed / chosen.size).toFixed(1)
  } %)`,
);
for (const each of survivors) console.log(`- ${describe(each)}`);
