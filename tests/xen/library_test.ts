import { assertEquals } from "@std/assert";
import { candidates } from "../../src/xen/library.ts";

/** A folder with these (empty) files. */
async function folderWith(...files: string[]): Promise<string> {
  const folder = await Deno.makeTempDir();
  for (const file of files) await Deno.writeTextFile(`${folder}/${file}`, "");
  return folder;
}

Deno.test("the library of the hypervisor's version is tried first, then the others from the newest on", async () => {
  const a = await folderWith(
    "libxenlight.so.4.9",
    "libxenlight.so.4.17",
    "libxenlight.so.4.17.0",
    "libxenlight.so",
    "libxenstore.so.4",
    "libxenlight2.so.4.30",
  );
  const b = await folderWith("libxenlight.so.4.20", "libxenlight.so.4.11");
  const newest = [
    `${b}/libxenlight.so.4.20`,
    `${a}/libxenlight.so.4.17`,
    `${b}/libxenlight.so.4.11`,
  ];
  assertEquals(candidates("libxenlight", [a, "/nowhere", b]), newest);
  assertEquals(candidates("libxenlight", [a, b], 11), [
    newest[2],
    newest[0],
    newest[1],
  ]);
  assertEquals(candidates("libxenlight", [a, b], 18), newest);
  for (const folder of [a, b]) await Deno.remove(folder, { recursive: true });
});

Deno.test("where there is none, what was looked for is tried, to be told", () => {
  assertEquals(candidates("libxenlight", ["/nowhere", "/etc/passwd"]), [
    "/nowhere/libxenlight.so.4.*",
    "/etc/passwd/libxenlight.so.4.*",
  ]);
});
