import { assertEquals } from "@std/assert";
import { dirname, join, normalize } from "node:path";

/**
 * The rooms of src, from the one that sees all others down to those that see nobody. A room may import from the rooms
 * below it, and from those of its own line. Files of src itself, such as log.ts, are below all rooms.
 */
const HOUSE = [
  ["demo", "build"],
  ["cli"],
  ["doctor"],
  ["daemon"],
  ["operate"],
  ["fleet"],
  ["summon"],
  ["backends"],
  ["values"],
  ["install", "xen", "catch", "dns"],
  ["service", "control", "wire", "net"],
  ["store"],
  ["log.ts"],
  [
    "ffi",
    "std",
    "clock.ts",
    "files.ts",
    "limit.ts",
    "line_writer.ts",
    "procfs.ts",
    "repeats.ts",
    "visible.ts",
    "wait.ts",
  ],
];
const DNS = [["serve"], ["forward"], ["zone"], ["wire"]];
const CLI = [
  ["run.ts"],
  ["doctor.ts", "install.ts"],
  ["operate", "manual"],
  ["read"],
  ["output.ts", "version.ts"],
];

const SRC = new URL("../src/", import.meta.url).pathname;

function* sources(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(SRC, folder))) {
    const path = join(folder, name);
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

/** What a file of src imports from other files of src, as paths below src; with `types` what it imports only types of. */
function importsOf(path: string, types: boolean): string[] {
  const text = Deno.readTextFileSync(join(SRC, path));
  const specifiers = text.matchAll(
    /(?:(import type [^"]*)|from|import\(|URL\()\s*"(\.{1,2}\/[^"]+)"/g,
  );
  return [...specifiers]
    .filter(([, type]) => types || type === undefined)
    .map(([, , specifier]) => normalize(join(dirname(path), specifier)));
}

/** Imports within `folder` that go from a room to one above it, and those of rooms that are not in the list. */
function upwards(folder: string, lines: string[][]): string[] {
  const lineOf = (path: string) => {
    const [room] = path.slice(folder.length).split("/");
    if (folder === "" && room.endsWith(".ts")) return lines.length;
    return lines.findIndex((line) => line.includes(room));
  };
  const wrong: string[] = [];
  for (const path of sources(folder)) {
    const from = lineOf(path);
    if (from < 0) wrong.push(`${path} is in no room of the list`);
    for (const imported of importsOf(path, true)) {
      if (!imported.startsWith(folder)) continue;
      const to = lineOf(imported);
      if (to >= 0 && to < from) wrong.push(`${path} imports ${imported}`);
    }
  }
  return wrong;
}

Deno.test("rooms of the house import from rooms below them only", () => {
  assertEquals(upwards("", HOUSE), []);
});

Deno.test("within dns, serving looks down to forwarding, zone and wire, and none of them back", () => {
  assertEquals(upwards("dns/", DNS), []);
});

Deno.test("within cli, running looks down to operating, manual and reading, and none of them back", () => {
  assertEquals(upwards("cli/", CLI), []);
});

Deno.test("no file needs itself by way of others, but for its types", () => {
  const imports = new Map(
    [...sources("")].map((path) => [path, importsOf(path, false)]),
  );
  const done = new Set<string>(), circles: string[] = [];
  const visit = (path: string, way: string[]) => {
    const at = way.indexOf(path);
    if (at >= 0) circles.push([...way.slice(at), path].join(" -> "));
    if (at >= 0 || done.has(path)) return;
    for (const each of imports.get(path) ?? []) visit(each, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  assertEquals(circles, []);
});
