/**
 * `deno task test:xen [ARG...]`: runs the tests that need Xen in the dom0 of a real Xen host, which it builds from
 * Debian's packages and boots in QEMU. ARGs go to `deno test`; without a path among them, all of those tests run.
 *
 * The program under test is this checkout, or the binary that the environment variable JITSU names. What was built is
 * kept in $XDG_CACHE_HOME/jitsu-test/xen. Needs root, Debian's packages, and what setup.ts installs.
 *
 * @module
 */
import { boot } from "./rig/boot.ts";

const REPOSITORY = new URL("../..", import.meta.url).pathname;
const RIG = new URL("rig/", import.meta.url).pathname;
const CACHE = `${
  Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`
}/jitsu-test/xen`;

/** Where the tests are that need Xen. */
const TESTS = ["tests/backends/libxl/", "tests/xen/"];
/** Seconds until the machine is taken for stuck. */
const LIMIT = 3600;

function say(text: string): void {
  // deno-lint-ignore no-console -- a program for people
  console.error(text);
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, code } = await new Deno.Command(command, { args }).spawn()
    .status;
  if (!success) throw new Error(`${command} ${args[0]}: exit code ${code}`);
}

async function* filesBelow(folder: string): AsyncGenerator<string> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory } of entries) {
    if (isDirectory) yield* filesBelow(`${folder}${name}/`);
    else yield `${folder}${name}`;
  }
}

/** The folder of the images that the rig's files make, built if it is not there. */
async function images(): Promise<string> {
  const parts = [Deno.version.deno, Deno.build.target];
  for await (const file of filesBelow(RIG)) {
    if (!file.endsWith(".ts")) parts.push(file, await Deno.readTextFile(file));
  }
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(parts.join("\0")),
  );
  const folder = `${CACHE}/images-${
    new Uint8Array(digest).slice(0, 6).toHex()
  }`;
  if (await Deno.stat(folder).then(() => true, () => false)) return folder;

  say(`building the images of the Xen host in ${folder}`);
  await Deno.mkdir(CACHE, { recursive: true });
  for await (const { name } of Deno.readDir(CACHE)) {
    if (name.startsWith("images-")) {
      await Deno.remove(`${CACHE}/${name}`, { recursive: true });
    }
  }
  const unfinished = `${CACHE}/images-unfinished`;
  await run(
    `${RIG}images.sh`,
    `${CACHE}/packages`,
    unfinished,
    Deno.execPath(),
  );
  await Deno.rename(unfinished, folder);
  return folder;
}

/** Everything that dom0 needs of this machine, at the paths it has here, so that Deno's caches hold. */
async function pack(archive: string): Promise<void> {
  const denoDir = `${CACHE}/deno`;
  const tests: string[] = [];
  for (const folder of TESTS) {
    for await (const file of filesBelow(REPOSITORY + folder)) {
      if (file.endsWith("_test.ts")) tests.push(file);
    }
  }
  // Each by the imports that it has there: the program by its own, the tests by theirs.
  for (
    const entries of [
      ["--config=deno.json", "main.ts"],
      ["--config=tests/deno.json", ...tests],
    ]
  ) {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["cache", "--quiet", ...entries],
      cwd: REPOSITORY,
      env: { DENO_DIR: denoDir },
    }).spawn().status;
    if (!success) throw new Error("deno cache failed");
  }

  const files = ["deno.json", "deno.lock", "main.ts", "src", "tests"];
  const binary = Deno.env.get("JITSU");
  await run(
    "tar",
    "--create",
    "--file",
    archive,
    "--directory=/",
    ...[...files.map((file) => REPOSITORY + file), denoDir].map((path) =>
      path.slice(1)
    ),
    ...binary ? [(await Deno.realPath(binary)).slice(1)] : [],
  );
}

const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

/** What dom0 runs. */
async function script(args: string[]): Promise<string> {
  const binary = Deno.env.get("JITSU");
  const paths = args.some((arg) => /\.ts$|\/$/.test(arg)) ? [] : TESTS;
  return `
date >/job/started
export DENO_DIR=${
    quote(`${CACHE}/deno`)
  } DENO_NO_UPDATE_CHECK=1 NO_COLOR=1 TEST_PATIENCE=${
    Deno.env.get("TEST_PATIENCE") ?? 300
  }
${binary ? `export JITSU=${quote(await Deno.realPath(binary))}` : ""}
cd ${quote(REPOSITORY)}
deno test --config=tests/deno.json -A --no-check ${
    [...args, ...paths].map(quote).join(" ")
  }
`;
}

if (Deno.uid() !== 0) {
  say("test:xen needs root: it unpacks packages and makes images");
  Deno.exit(1);
}
const folder = await images();
const ended = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => ended.abort());
}
const job = await Deno.makeTempDir({ prefix: "jitsu-test-xen-" });
try {
  await pack(`${job}/job.tar`);
  await Deno.writeTextFile(`${job}/run`, await script(Deno.args));
  const { signal } = ended;
  const status = await boot({ images: folder, job, limit: LIMIT, signal });
  if (status === undefined && !signal.aborted) {
    say(await Deno.readTextFile(`${job}/console`));
    say("the Xen host did not finish; above is its console");
  }
  Deno.exitCode = status ?? 1;
} finally {
  await Deno.remove(job, { recursive: true });
}
