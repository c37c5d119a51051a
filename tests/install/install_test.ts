import { assert, assertEquals } from "@std/assert";
import { completions } from "../../src/cli/manual/completions.ts";
import { renderGroff } from "../../src/cli/manual/groff.ts";
import { manual } from "../../src/cli/manual/manual.ts";
import { readCommandLine } from "../../src/cli/read/command_line.ts";
import { EXAMPLE } from "../../src/install/example.ts";
import {
  filesFor,
  type InstalledFile,
  manifestPath,
} from "../../src/install/files.ts";
import { install, uninstall } from "../../src/install/install.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function files(prefix: string, binary = "program 1"): InstalledFile[] {
  return filesFor({
    binary: encode(binary),
    prefix,
    init: "systemd",
    backend: "libvirt",
    manual: renderGroff(manual()),
    completions,
  });
}

function test(name: string, fn: (prefix: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const prefix = await Deno.makeTempDir();
    try {
      await fn(prefix);
    } finally {
      await Deno.remove(prefix, { recursive: true });
    }
  });
}

/** All files below a folder. */
function below(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? below(path) : [path];
  }).sort();
}

/** What was done, by the end of the path. */
function actions(steps: { action: string; path: string }[]) {
  return Object.fromEntries(
    steps.map(({ action, path }) => [path.split("/").at(-1), action]),
  );
}

test("what is installed is there, and uninstall leaves no file", async (prefix) => {
  const all = files(prefix), manifest = manifestPath(prefix);
  await install(all, manifest, false);
  for (const { path, content, mode } of all) {
    assertEquals(await Deno.readFile(path), content, path);
    assertEquals((await Deno.stat(path)).mode! & 0o777, mode, path);
  }
  assertEquals(
    below(prefix),
    [...all.map(({ path }) => path), manifest].sort(),
  );
  await uninstall(manifest, false);
  assertEquals(below(prefix), []);
});

test("a dry run tells the same and does nothing", async (prefix) => {
  const all = files(prefix), manifest = manifestPath(prefix);
  const dry = await install(all, manifest, true);
  assertEquals(below(prefix), []);
  assertEquals(await install(all, manifest, false), dry);
  const there = below(prefix);
  const gone = await uninstall(manifest, true);
  assertEquals(below(prefix), there);
  assertEquals(await uninstall(manifest, false), gone);
});

test("a new version takes the place of the old one, and of nothing that was changed", async (prefix) => {
  const manifest = manifestPath(prefix);
  await install(files(prefix), manifest, false);
  const config = `${prefix}/etc/jitsu/jitsu.toml`;
  await Deno.writeTextFile(config, "mine");
  const next = files(prefix, "program 2").map((file) =>
    file.path === config ? { ...file, content: encode("new example") } : file
  );
  const done = actions(await install(next, manifest, false));
  assertEquals(
    [done["jitsu.toml"], done["jitsu.1"], done["jitsu.service"]],
    ["kept", "unchanged", "unchanged"],
  );
  assertEquals(await Deno.readTextFile(`${prefix}/bin/jitsu`), "program 2");
  assertEquals(await Deno.readTextFile(config), "mine");
  assertEquals(await Deno.readTextFile(`${config}.new`), "new example");
  const left = actions(await uninstall(manifest, false));
  assertEquals([left["jitsu.toml"], left["jitsu.1"]], ["kept", "removed"]);
  assertEquals(await Deno.readTextFile(config), "mine");
});

test("a file that was there before is somebody's own", async (prefix) => {
  await Deno.mkdir(`${prefix}/bin`);
  await Deno.writeTextFile(`${prefix}/bin/jitsu`, "another jitsu");
  const manifest = manifestPath(prefix);
  const [first] = await install(files(prefix), manifest, false);
  assertEquals(first.action, "kept");
  await uninstall(manifest, false);
  assertEquals(
    await Deno.readTextFile(`${prefix}/bin/jitsu`),
    "another jitsu",
  );
});

test("the example is a configuration with and without its comment signs", async (prefix) => {
  for (const text of [EXAMPLE, EXAMPLE.replaceAll(/^#(?=\S)/gm, "")]) {
    const path = `${prefix}/jitsu.toml`;
    await Deno.writeTextFile(path, text);
    const request = readCommandLine([`--config=${path}`]);
    assert(request.kind === "serve", JSON.stringify(request));
    assertEquals(
      request.options.unikernels.map(({ name }) => name),
      text === EXAMPLE ? [] : ["www"],
    );
  }
});
