import { assert, assertEquals, assertRejects } from "@std/assert";
import { completions } from "../../src/cli/manual/completions.ts";
import { renderGroff } from "../../src/cli/manual/groff.ts";
import { manual } from "../../src/cli/manual/manual.ts";
import { readCommandLine } from "../../src/cli/read/command_line.ts";
import { example } from "../../src/install/example.ts";
import {
  filesFor,
  type InstalledFile,
  manifestPath,
  pathsBelow,
} from "../../src/install/files.ts";
import { FileError } from "../../src/files.ts";
import { SERVICE_BACKENDS } from "../../src/service/choices.ts";
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
  await uninstall(manifest, pathsBelow(prefix), false);
  assertEquals(below(prefix), []);
});

test("a dry run tells the same and does nothing", async (prefix) => {
  const all = files(prefix), manifest = manifestPath(prefix);
  const dry = await install(all, manifest, true);
  assertEquals(below(prefix), []);
  assertEquals(await install(all, manifest, false), dry);
  const there = below(prefix);
  const gone = await uninstall(manifest, pathsBelow(prefix), true);
  assertEquals(below(prefix), there);
  assertEquals(await uninstall(manifest, pathsBelow(prefix), false), gone);
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
  const left = actions(await uninstall(manifest, pathsBelow(prefix), false));
  assertEquals([left["jitsu.toml"], left["jitsu.1"]], ["kept", "removed"]);
  assertEquals(await Deno.readTextFile(config), "mine");
});

test("a file that was there before is somebody's own", async (prefix) => {
  await Deno.mkdir(`${prefix}/bin`);
  await Deno.writeTextFile(`${prefix}/bin/jitsu`, "another jitsu");
  const manifest = manifestPath(prefix);
  const [first] = await install(files(prefix), manifest, false);
  assertEquals(first.action, "kept");
  await uninstall(manifest, pathsBelow(prefix), false);
  assertEquals(
    await Deno.readTextFile(`${prefix}/bin/jitsu`),
    "another jitsu",
  );
});

test("the example is a configuration with and without its comment signs", async (prefix) => {
  const text = example("libvirt");
  for (const each of [text, text.replaceAll(/^#(?=\S)/gm, "")]) {
    const path = `${prefix}/jitsu.toml`;
    await Deno.writeTextFile(path, each);
    const request = readCommandLine([`--config=${path}`]);
    assert(request.kind === "serve", JSON.stringify(request));
    assertEquals(
      request.options.unikernels.map(({ name }) => name),
      each === text ? [] : ["www"],
    );
  }
});

test("an example that was changed is kept, and the same one is not put beside it", async (prefix) => {
  const manifest = manifestPath(prefix), all = files(prefix);
  await install(all, manifest, false);
  const config = `${prefix}/etc/jitsu/jitsu.toml`;
  await Deno.writeTextFile(config, "mine");
  const done = actions(await install(all, manifest, false));
  assertEquals(done["jitsu.toml"], "kept");
  assertEquals(below(prefix).filter((path) => path.endsWith(".new")), []);
});

test("everybody can enter the folders, and the configuration of a service of root is root's", async (prefix) => {
  const umask = Deno.umask(0o077);
  try {
    await install(files(prefix), manifestPath(prefix), false);
  } finally {
    Deno.umask(umask);
  }
  for (const folder of ["bin", "share/man/man1", "etc/jitsu", "share/jitsu"]) {
    const { mode } = await Deno.stat(`${prefix}/${folder}`);
    assertEquals(mode! & 0o777, 0o755, folder);
  }
  const modes = SERVICE_BACKENDS.map((backend) =>
    filesFor({
      binary: encode(""),
      prefix,
      init: "systemd",
      backend,
      manual: "",
      completions,
    }).find(({ path }) => path.endsWith("jitsu.toml"))!.mode
  );
  assertEquals(modes, [0o644, 0o600, 0o644, 0o600]);
});

test("uninstall removes nothing that it does not know, whatever the manifest says", async (prefix) => {
  const manifest = manifestPath(prefix), victim = `${prefix}/victim`;
  await install(files(prefix), manifest, false);
  await Deno.writeTextFile(victim, "");
  const noted = JSON.parse(await Deno.readTextFile(manifest));
  noted[victim] = // of nothing
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  await Deno.writeTextFile(manifest, JSON.stringify(noted));
  const done = actions(await uninstall(manifest, pathsBelow(prefix), false));
  assertEquals([done.victim, done["jitsu.1"]], ["left", "removed"]);
  assertEquals(below(prefix), [victim]);
});

test("a manifest that others could have written is refused", async (prefix) => {
  const manifest = manifestPath(prefix);
  await install(files(prefix), manifest, false);
  await Deno.chmod(manifest, 0o666);
  for (
    const attempt of [
      () => uninstall(manifest, pathsBelow(prefix), false),
      () => install(files(prefix), manifest, false),
    ]
  ) await assertRejects(attempt, FileError, "others may write it");
});
