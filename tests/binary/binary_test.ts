/**
 * The compiled program as such: what is in the file, and what it leaves alone. Run by
 * `deno task test:binary`, which sets JITSU.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { canDig, Jitsu } from "../e2e/harness.ts";

const BINARY = Deno.env.get("JITSU") ?? "";
const isBinary = BINARY !== "" && isElf(BINARY);
if (!isBinary) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log("skipped: the binary is tested by deno task test:binary");
}

function isElf(path: string): boolean {
  try {
    using file = Deno.openSync(path);
    const magic = new Uint8Array(4);
    file.readSync(magic);
    return magic.join() === "127,69,76,70";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !isBinary || !canDig, fn });
}

/** From fast-check, @sinonjs/fake-timers, dns-packet, and our own. */
const ONLY_IN_TESTS = [
  "Property failed",
  "fake timers",
  "AUTHORITATIVE_ANSWER",
  "Deno.test",
];

const PROCESS = [
  ..."-x process -f 0.0.0.0 -d 0".split(" "),
  "dns=www.example.org,ip=127.0.0.1,name=www,command=sleep 60",
];

test("the version names the commit that the binary was compiled from", async () => {
  const decoder = new TextDecoder();
  const version = await new Deno.Command(BINARY, { args: ["--version"] })
    .output();
  const { stdout } = await new Deno.Command("git", {
    args: ["rev-parse", "--short=12", "HEAD"],
  }).output();
  const [, commit] = /^jitsu \d+\.\d+\.\d+ \((\w+)(-dirty)?\)\n$/
    .exec(decoder.decode(version.stdout)) ?? [];
  assertEquals(commit, decoder.decode(stdout).trim());
});

test("no test and nothing that only tests need is in the binary", async () => {
  // The program is appended to the runtime.
  using file = await Deno.open(BINARY);
  const { size } = await file.stat();
  await file.seek(size - 2 ** 21, Deno.SeekMode.Start);
  const end = new TextDecoder("utf-8").decode(
    await new Response(file.readable).bytes(),
  );
  assertStringIncludes(end, "Just-In-Time Summoning of Unikernels");
  for (const text of ONLY_IN_TESTS) {
    assert(!end.includes(text), text);
  }
});

test("the binary leaves no file behind", async () => {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("TMPDIR");
  try {
    Deno.env.set("TMPDIR", folder);
    await using jitsu = await Jitsu.start(...PROCESS);
    assertEquals((await jitsu.dig("www.example.org")).status, "NOERROR");
    await jitsu.stop();
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assertEquals(left, []);
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
    await Deno.remove(folder, { recursive: true });
  }
});

test("packets are taken in batches, and no library of a backend that is not in use is loaded", async () => {
  await using jitsu = await Jitsu.start(...PROCESS);
  assertEquals((await jitsu.dig("www.example.org")).status, "NOERROR");
  assert(!jitsu.log.some((line) => line.includes("one at a time")));
  const maps = await Deno.readTextFile(`/proc/${jitsu.pid}/maps`);
  assertMatch(maps, /libc\.so/);
  assert(!/libvirt|libxenlight|libxenstore/.test(maps));
});

test("the binary installs itself, and uninstalls what it has installed", async () => {
  const prefix = await Deno.makeTempDir();
  const run = async (program: string, ...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(program, { args })
      .output();
    const decoder = new TextDecoder();
    assertEquals([code, decoder.decode(stderr)], [0, ""]);
    return decoder.decode(stdout);
  };
  try {
    const installed = `${prefix}/bin/jitsu`;
    await run(BINARY, "install", `--prefix=${prefix}`);
    assertEquals(
      await run(installed, "--version"),
      await run(BINARY, "--version"),
    );
    assertStringIncludes(
      await Deno.readTextFile(`${prefix}/lib/systemd/system/jitsu.service`),
      `ExecStart=${installed} --config=${prefix}/etc/jitsu/jitsu.toml`,
    );
    await run(installed, "uninstall", `--prefix=${prefix}`);
    assertEquals(await Deno.stat(installed).catch(() => "gone"), "gone");
  } finally {
    await Deno.remove(prefix, { recursive: true });
  }
});
