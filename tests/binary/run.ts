/**
 * `deno task test:binary`: compiles the program and runs the whole-program tests on it, those with real guests too where
 * this is root on an x86_64 Debian. Where there is no runtime to compile with, it says so and that is all.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a script that talks to whoever runs it
import { compile, NoRuntimeError } from "../../src/build/compile.ts";

const REPOSITORY = new URL("../..", import.meta.url).pathname;
const BINARY = `${REPOSITORY}dist/jitsu`;

async function deno(...args: string[]): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: REPOSITORY,
    env: { JITSU: BINARY },
  }).spawn().status;
  if (code !== 0) Deno.exit(code);
}

try {
  await compile(BINARY);
} catch (error) {
  if (!(error instanceof NoRuntimeError)) throw error;
  console.log(`skipped: all tests of the binary: ${error.message}`);
  Deno.exit();
}
await deno(
  "test",
  "--config=tests/deno.json",
  "-A",
  "--ignore=tests/e2e/qemu",
  "tests/binary",
  "tests/e2e",
);
if (Deno.build.arch === "x86_64" && Deno.uid() === 0) {
  await deno("task", "test:qemu");
} else console.log("skipped: real guests take root on x86_64");
