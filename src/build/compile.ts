/**
 * `deno task compile`: makes dist/jitsu, one file with the program and the runtime in it.
 *
 * `deno run -A src/build/compile.ts [--arm64]`. The program is bundled first: no test and no file of an npm
 * package that is not needed gets in, and the program starts sooner from a few files than from a hundred.
 *
 * The runtime comes from Deno's download host. Where that cannot be reached, DENORT_BIN names a runtime of the wanted
 * machine, and COMPILE_DENO a deno of the same version as it, if this one is of another.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a script that talks to whoever runs it

const REPOSITORY = new URL("../..", import.meta.url).pathname;

/**
 * Deno lets nobody read /proc/PID who has less than everything, and the process backend cannot do without. A program
 * that calls C libraries and starts commands is not held by less either: what confines it is its systemd unit.
 */
const PERMISSIONS = "--allow-all";

/** Modules that are started as workers: bundled apart, under the names that the program looks for beside itself. */
const WORKERS = ["src/store/worker.ts"];

/** Deno's name for each machine, and the ELF header's (e_machine, elf(5)). */
const TARGETS = {
  x86_64: { target: "x86_64-unknown-linux-gnu", machine: 62 },
  aarch64: { target: "aarch64-unknown-linux-gnu", machine: 183 },
};

/** It cannot be compiled; the message says what to do. */
export class CompileError extends Error {
  override name = "CompileError";
}

/** Here is no runtime to compile it with, nor a way to download one. */
export class NoRuntimeError extends CompileError {
  override name = "NoRuntimeError";
}

async function run(
  command: string,
  args: string[],
  cwd = REPOSITORY,
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new CompileError(
      `${command} ${args[0]} failed:\n${decoder.decode(stderr).trim()}`,
    );
  }
  return decoder.decode(stdout).trim();
}

/** The commit that is checked out, with `-dirty` where files differ from it; undefined where this is no checkout. */
async function commitOf(): Promise<string | undefined> {
  const args = [
    "describe",
    "--always",
    "--dirty",
    "--exclude=*",
    "--abbrev=12",
  ];
  try {
    return await run("git", args);
  } catch {
    console.error("no git checkout: the version will name no commit");
    return undefined;
  }
}

/** Puts the bundled program into a folder, and returns the file to compile and the files that it needs beside it. */
async function bundle(
  folder: string,
): Promise<{ main: string; include: string[] }> {
  const commit = await commitOf();
  const entry = `${folder}/jitsu.ts`;
  await Deno.writeTextFile(
    entry,
    `import { run } from ${JSON.stringify(`${REPOSITORY}src/cli/run.ts`)};
Deno.exit(await run(Deno.args, ${JSON.stringify(commit)}));
`,
  );
  const include: string[] = [];
  const bundled = (outdir: string, entry: string, ...more: string[]) =>
    run(Deno.execPath(), [
      "bundle",
      "--quiet",
      `--config=${REPOSITORY}deno.json`,
      `--outdir=${outdir}`,
      ...more,
      entry,
    ]);
  await bundled(`${folder}/js`, entry, "--code-splitting");
  for (const worker of WORKERS) {
    const name = worker.split("/").at(-1)!;
    await bundled(`${folder}/workers`, worker);
    await Deno.rename(
      `${folder}/workers/${name.replace(/ts$/, "js")}`,
      `${folder}/js/${name}`,
    );
    include.push(`${folder}/js/${name}`);
  }
  return { main: `${folder}/js/jitsu.js`, include };
}

/** Compiles the program for a machine into one file. Rejects with {@linkcode CompileError}. */
export async function compile(
  output: string,
  arch: keyof typeof TARGETS = Deno.build.arch,
): Promise<void> {
  const { target, machine } = TARGETS[arch];
  const folder = await Deno.makeTempDir({ prefix: "jitsu-build-" });
  try {
    const { main, include } = await bundle(folder);
    await Deno.mkdir(`${REPOSITORY}dist`, { recursive: true });
    await run(Deno.env.get("COMPILE_DENO") ?? Deno.execPath(), [
      "compile",
      "--no-check", // `deno task check` has done it
      "--no-config",
      "--no-lock",
      "--unstable-net", // Deno.listenDatagram
      // The cache would be a file in /tmp that anybody could have put there, and the program runs as root.
      "--no-code-cache",
      PERMISSIONS,
      "--v8-flags=--expose-gc",
      ...include.map((file) => `--include=${file}`),
      `--target=${target}`,
      `--output=${output}`,
      main,
    ]);
    if (await machineOf(output) !== machine) {
      await Deno.remove(output);
      throw new CompileError(
        `DENORT_BIN=${
          Deno.env.get("DENORT_BIN")
        } is not a runtime for ${target}: name one that is, or unset it`,
      );
    }
  } catch (error) {
    throw error instanceof CompileError ? explained(error, target) : error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The machine that an ELF file is for. */
async function machineOf(path: string): Promise<number> {
  using file = await Deno.open(path);
  const header = new Uint8Array(20);
  await file.read(header);
  return header[18] | header[19] << 8;
}

/** Says what to put where when the runtime could not be downloaded. */
function explained(error: CompileError, target: string): CompileError {
  const [, url, version] =
    /(https:\S*\/release\/(v[0-9.]+)\/denort-\S+\.zip)/.exec(error.message) ??
      [];
  if (url === undefined) return error;
  const [, reason = ""] = /^ +1: (.*)$/m.exec(error.message) ?? [];
  return new NoRuntimeError(
    `the runtime for ${target} could not be downloaded: ${reason}
Where that host can be reached, get this file, or the same from
  https://github.com/denoland/deno/releases/download/${version}/denort-${target}.zip
and either put it, as it is, at
  $DENO_DIR/dl/release/${version}/denort-${target}.zip  (DENO_DIR: see deno info)
or unpack it and set DENORT_BIN to the file in it.`,
  );
}

if (import.meta.main) {
  const isArm = Deno.args.includes("--arm64");
  const output = `${REPOSITORY}dist/jitsu${isArm ? "-arm64" : ""}`;
  try {
    await compile(output, isArm ? "aarch64" : Deno.build.arch as "x86_64");
    const { size } = await Deno.stat(output);
    console.log(`${output}: ${(size / 2 ** 20).toFixed(1)} MiB`);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
