import { assertEquals, assertRejects } from "@std/assert";
import {
  decodeHeader,
  encodeHeader,
  SaveFile,
} from "../../../src/backends/libxl/save_file.ts";

/** Reads from bytes. */
function reader(bytes: Uint8Array): (buffer: Uint8Array) => Promise<void> {
  let at = 0;
  return (buffer) => {
    const chunk = bytes.subarray(at, at += buffer.length);
    if (chunk.length < buffer.length) return Promise.reject(new Error("short"));
    buffer.set(chunk);
    return Promise.resolve();
  };
}

Deno.test("a header is what xl writes", () => {
  // struct save_file_header, the length of the configuration, the configuration (tools/xl/xl.h, xl_saverestore.c).
  const bytes = encodeHeader({ c_info: { domid: 1 } });
  const text = new TextDecoder().decode(bytes);
  assertEquals(text.slice(0, 32), "Xen saved domain, xl format\n \0 \r");
  const json = '{"c_info":{"domid":1}}\0';
  assertEquals(
    [...bytes.subarray(32, 52)],
    [
      4,
      3,
      2,
      1,
      3,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      4 + json.length,
      0,
      0,
      0,
      json.length,
      0,
      0,
      0,
    ],
  );
  assertEquals(text.slice(52), json);
});

Deno.test("what was written as a header is read as the same", async () => {
  const config = { c_info: { xsdata: { a: "ü" } }, nics: [{ mac: "x" }] };
  const bytes = encodeHeader(config);
  assertEquals(await decodeHeader(reader(bytes)), {
    config,
    size: bytes.length,
  });
});

Deno.test("a header that is not ours is refused", async () => {
  const bytes = encodeHeader({});
  for (const [at, value] of [[0, 0], [32, 1], [36, 7], [46, 0xff]]) {
    const other = bytes.slice();
    other[at] = value;
    await assertRejects(
      () => decodeHeader(reader(other)),
      Error,
      "it is no saved domain that Jitsu can read",
    );
  }
  await assertRejects(() => decodeHeader(reader(bytes.subarray(0, 50))));
});

Deno.test("a folder that others may look into is a problem, one that is missing is not", async () => {
  const folder = await Deno.makeTempDir();
  const file = new SaveFile(folder, "a/b");
  assertEquals(file.path, `${folder}/a%2Fb.save`);
  assertEquals(await file.folderProblem(), undefined);
  await Deno.chmod(folder, 0o750);
  assertEquals(
    await file.folderProblem(),
    `others may look into it, and the memory of domains will be there; chmod 700 ${folder}`,
  );
  await Deno.remove(folder);
  assertEquals(await file.folderProblem(), undefined);
  await Deno.writeTextFile(folder, "");
  assertEquals(await file.folderProblem(), "it is not a directory");
  await Deno.remove(folder);
});
