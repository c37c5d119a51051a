import { assertEquals, assertThrows } from "@std/assert";
import { checkForOthers, FileError, readTrusted } from "../src/files.ts";
import { TestDirectory } from "./backends/process/support.ts";

/** A user that is neither root nor the tests'. */
const STRANGER = 65_534;
const isRoot = Deno.uid() === 0;

function mkfifo(path: string): void {
  new Deno.Command("mkfifo", { args: [path] }).outputSync();
}

/** Both ways refuse the path with these words. */
function assertRefused(path: string, words: string): void {
  assertThrows(() => readTrusted(path), FileError, words);
  assertThrows(() => checkForOthers(path), FileError, words);
}

Deno.test("a file that only we can write is read, and its mode told", () => {
  using dir = new TestDirectory();
  const path = `${dir.path}/file`;
  Deno.writeTextFileSync(path, "text\n", { mode: 0o644 });
  assertEquals(readTrusted(path), { text: "text\n", mode: 0o644 });
  checkForOthers(path);
});

Deno.test("a file that its group or everybody may write is refused", () => {
  using dir = new TestDirectory();
  const path = `${dir.path}/file`;
  Deno.writeTextFileSync(path, "");
  for (const mode of [0o664, 0o646]) {
    Deno.chmodSync(path, mode);
    assertRefused(
      path,
      `others may write it (mode ${mode.toString(8)}): chmod go-w ${path}`,
    );
  }
});

Deno.test({
  name: "a file of another user is refused",
  ignore: !isRoot,
  fn() {
    using dir = new TestDirectory();
    const path = `${dir.path}/file`;
    Deno.writeTextFileSync(path, "");
    Deno.chownSync(path, STRANGER, STRANGER);
    assertRefused(path, `it belongs to user ${STRANGER}`);
  },
});

Deno.test("a FIFO, a device and a directory are refused at once", () => {
  using dir = new TestDirectory();
  mkfifo(`${dir.path}/fifo`);
  assertRefused(`${dir.path}/fifo`, "it is not a regular file");
  assertThrows(() => readTrusted("/dev/zero"), FileError, "not a regular file");
  assertRefused(dir.path, "it is a directory");
});

Deno.test("a symbolic link is refused unless it may be followed", () => {
  using dir = new TestDirectory();
  const path = `${dir.path}/link`;
  Deno.writeTextFileSync(`${dir.path}/file`, "text");
  Deno.symlinkSync("file", path);
  assertRefused(path, "it is a symbolic link");
  assertEquals(readTrusted(path, { followLink: true }).text, "text");
});

Deno.test({
  name: "a symbolic link that another user made is not followed",
  ignore: !isRoot,
  fn() {
    using dir = new TestDirectory();
    const path = `${dir.path}/link`;
    Deno.writeTextFileSync(`${dir.path}/file`, "text");
    Deno.symlinkSync("file", path);
    new Deno.Command("chown", { args: ["-h", `${STRANGER}`, path] })
      .outputSync();
    assertThrows(
      () => readTrusted(path, { followLink: true }),
      FileError,
      `user ${STRANGER} made this symbolic link`,
    );
  },
});

Deno.test("what a followed link leads to is looked at, too", () => {
  using dir = new TestDirectory();
  const path = `${dir.path}/link`;
  mkfifo(`${dir.path}/fifo`);
  Deno.symlinkSync("fifo", path);
  assertThrows(
    () => readTrusted(path, { followLink: true }),
    FileError,
    "it is not a regular file",
  );
});

Deno.test("a file that is not there is told from one that is refused", () => {
  using dir = new TestDirectory();
  const path = `${dir.path}/none`;
  const error = assertThrows(() => readTrusted(path), FileError);
  assertEquals(error.code, "ENOENT");
  assertEquals(error.message, "no such file or directory");
  checkForOthers(path);
});

Deno.test("a directory in which others can replace files is refused for what others open", () => {
  using dir = new TestDirectory();
  const path = `${dir.path}/file`;
  Deno.chmodSync(dir.path, 0o777);
  assertThrows(
    () => checkForOthers(path),
    FileError,
    "others may replace it, since its directory can be written by them",
  );
  Deno.chmodSync(dir.path, 0o1777); // sticky, as /tmp is
  checkForOthers(path);
});
