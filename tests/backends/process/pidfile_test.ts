import { dirname } from "node:path";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import { readStat } from "../../../src/procfs.ts";
import { until } from "../../until.ts";
import { contentOf, lives, TestBackend, TestDirectory } from "./support.ts";

/** A suspended process that outlived its backend, and its keys. */
async function leftSuspended(dir: TestDirectory) {
  const keys = { command: "sleep 1000", pidfile: `${dir.path}/pidfile` };
  const backend = new TestBackend();
  const www = await backend.with(keys);
  await www.start();
  await www.suspend();
  await backend.close();
  const pid = Number((await contentOf(keys.pidfile)).split("\n")[0]);
  assertEquals(readStat(pid)?.state, "T");
  return { keys, pid };
}

Deno.test("the pidfile is there while the process is, for nobody but its owner", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const pidfile = `${dir.path}/pidfile`;
  const www = await backend.with({ command: "sleep 1000", pidfile });
  await www.start();
  const [pid, startTime] = Deno.readTextFileSync(pidfile).split("\n");
  assertEquals(readStat(Number(pid))?.startTime, Number(startTime));
  assertEquals(Deno.statSync(pidfile).mode! & 0o777, 0o600);
  await www.destroy();
  assertEquals([...Deno.readDirSync(dir.path)], []);
});

Deno.test("a suspended process is left by one backend and resumed and stopped by the next", async () => {
  using dir = new TestDirectory();
  const { keys, pid } = await leftSuspended(dir);
  {
    await using second = new TestBackend();
    const www = await second.with(keys);
    assertEquals(await www.state(), "paused");
  }
  assertEquals(readStat(pid)?.state, "T", "left alone once more");

  await using third = new TestBackend();
  const www = await third.with(keys);
  assertEquals(await www.start(), "unpaused");
  assertEquals(await www.state(), "running");
  assertEquals(await www.suspend(), "paused");
  await www.shutdown();
  await third.tells(/^www off: ended$/);
  assert(!lives(pid));
  assertEquals(await www.start(), "started");
});

Deno.test("a process that somebody continued meanwhile is found running and does not outlive this backend", async () => {
  using dir = new TestDirectory();
  const { keys, pid } = await leftSuspended(dir);
  Deno.kill(pid, "SIGCONT");
  const backend = new TestBackend();
  const www = await backend.with(keys);
  assertEquals(await www.state(), "running");
  assertEquals(await www.start(), "found running");
  await backend.close();
  assertEquals(backend.told, ["www off: ended"]);
  assert(!lives(pid));
});

Deno.test("the end of a process that was found again is noticed", async () => {
  using dir = new TestDirectory();
  const { keys, pid } = await leftSuspended(dir);
  await using backend = new TestBackend();
  const www = await backend.with(keys);
  Deno.kill(pid, "SIGKILL");
  await backend.tells(/^www off: ended$/);
  assertEquals(await www.state(), "off");
  await until(
    "the pidfile to be gone",
    () => ![...Deno.readDirSync(dir.path)].length,
  );
});

Deno.test("a pidfile that names no process of ours is ignored and overwritten", async () => {
  using dir = new TestDirectory();
  const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  const { startTime } = readStat(Deno.pid)!;
  const pidfile = `${dir.path}/pidfile`;
  const cases = {
    "no process has that number": `4194305\n${startTime}\n${boot}\n`,
    "the number was given to another process": `${Deno.pid}\n1\n${boot}\n`,
    "the system was started anew": `${Deno.pid}\n${startTime}\nx\n`,
    "it is no process group's leader": `${Deno.pid}\n${startTime}\n${boot}\n`,
    "it is empty": "",
    "it is something else": "hello\n",
  };
  if (readStat(Deno.pid)!.pgrp === Deno.pid) {
    Reflect.deleteProperty(cases, "it is no process group's leader");
  }
  for (const [why, text] of Object.entries(cases)) {
    Deno.writeTextFileSync(pidfile, text, { mode: 0o600 });
    await using backend = new TestBackend();
    const www = await backend.with({ command: "sleep 1000", pidfile });
    assertEquals(await www.state(), "off", why);
    assertEquals(await www.start(), "started", why);
    assert(!Deno.readTextFileSync(pidfile).startsWith(text || " "), why);
  }
});

/** Asserts that a machine with this pidfile is refused, whatever another machine's own pidfile holds. */
async function assertRefused(
  words: string,
  plant: (pidfile: string, victims: string) => void,
): Promise<void> {
  using dir = new TestDirectory();
  const { keys, pid } = await leftSuspended(dir);
  try {
    await using backend = new TestBackend();
    const pidfile = `${dir.path}/planted`;
    plant(pidfile, keys.pidfile);
    const error = await assertRejects(
      () => backend.with({ command: "true", pidfile }),
      BackendError,
    );
    assertEquals(error.message.startsWith(`pidfile=${pidfile}: `), true);
    assertStringIncludes(error.message, words);
    assertEquals(readStat(pid)?.state, "T", "the victim is untouched");
  } finally {
    Deno.kill(pid, "SIGKILL");
  }
}

const run = (program: string, ...args: string[]) =>
  assert(new Deno.Command(program, { args }).outputSync().success);

Deno.test("a pidfile that others may write is refused", () =>
  assertRefused("others may write it", (pidfile, victims) => {
    Deno.copyFileSync(victims, pidfile);
    Deno.chmodSync(pidfile, 0o666);
  }));

Deno.test("a pidfile in a directory where others may replace it is refused", () =>
  assertRefused("others may replace it", (pidfile) => {
    Deno.chmodSync(dirname(pidfile), 0o777);
  }));

Deno.test("a pidfile that is a link to another machine's is refused, symbolic or hard, and so is a copy", async () => {
  await assertRefused(
    "symbolic link",
    (pidfile, victims) => Deno.symlinkSync(victims, pidfile),
  );
  await assertRefused(
    "it is a link to",
    (pidfile, victims) => Deno.linkSync(victims, pidfile),
  );
  await assertRefused(
    "or a copy of it",
    (pidfile, victims) => Deno.copyFileSync(victims, pidfile),
  );
});

Deno.test("a pidfile that is a FIFO is refused at once", () =>
  assertRefused(
    "not a regular file",
    (pidfile) => run("mkfifo", pidfile),
  ));

Deno.test({
  name: "a pidfile of another user is refused",
  ignore: Deno.uid() !== 0,
  fn: () =>
    assertRefused("it belongs to user 65534", (pidfile, victims) => {
      Deno.copyFileSync(victims, pidfile);
      Deno.chownSync(pidfile, 65534, 65534);
    }),
});

Deno.test("the pidfile has the mark, for this run and for every Jitsu", async () => {
  using dir = new TestDirectory();
  const keys = { command: "sleep 1000", pidfile: `${dir.path}/pidfile` };
  await using backend = new TestBackend();
  const www = await backend.with(keys);
  assertEquals(await www.mark!.read(), undefined);
  await assertRejects(
    () => www.mark!.write("by=a"),
    BackendError,
    "it does not run",
  );
  await www.start();
  assertEquals(await www.mark!.read(), undefined);
  await www.mark!.write("by=a;asked=1");
  {
    await using other = new TestBackend();
    const same = await other.with(keys);
    assertEquals(await same.mark!.read(), "by=a;asked=1");
    await same.mark!.write("by=a;asked=2");
  }
  assertEquals(await www.mark!.read(), "by=a;asked=2");
  await www.destroy();
  await www.start();
  assertEquals(await www.mark!.read(), undefined, "that was another run");
  const none = await backend.with({ command: "true" }, "none");
  assertEquals(none.mark, undefined);
});

Deno.test("a process that another Jitsu started meanwhile is found, and left to that one at the end", async () => {
  using dir = new TestDirectory();
  const keys = { command: "sleep 1000", pidfile: `${dir.path}/pidfile` };
  await using backend = new TestBackend();
  const www = await backend.with(keys);
  const second = new TestBackend();
  const same = await second.with(keys);
  await www.start();
  const text = Deno.readTextFileSync(keys.pidfile);
  const pid = Number(text.split("\n")[0]);
  assertEquals(await same.start(), "found running");
  assertEquals(await same.state(), "running");
  await second.close();
  assert(lives(pid));
  assertEquals(Deno.readTextFileSync(keys.pidfile), text);

  await using third = new TestBackend();
  const again = await third.with(keys);
  await again.destroy();
  await backend.tells(/^www off: killed by SIGKILL$/);
  assertEquals([...Deno.readDirSync(dir.path)], []);
});

Deno.test("a process is taken over from a Jitsu that left it suspended, though it was seen running under that one", async () => {
  using dir = new TestDirectory();
  const keys = { command: "sleep 1000", pidfile: `${dir.path}/pidfile` };
  const first = new TestBackend();
  const www = await first.with(keys);
  await www.start();
  const second = new TestBackend();
  const same = await second.with(keys);
  await www.suspend();
  await first.close();
  const pid = Number(Deno.readTextFileSync(keys.pidfile).split("\n")[0]);
  assertEquals(await same.state(), "paused");
  assertEquals(await same.start(), "unpaused");
  await second.close();
  assert(!lives(pid), "it does not outlive the one that continued it");
});

Deno.test("a pidfile of two machines is refused", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const keys = { command: "true", pidfile: `${dir.path}/pidfile` };
  await backend.with(keys);
  await assertRejects(
    () => backend.with(keys, "other"),
    BackendError,
    `pidfile=${keys.pidfile}: www has it too`,
  );
});

Deno.test("a process whose pidfile can't be written is not kept", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const pidfile = `${dir.path}/nowhere/pidfile`;
  const www = await backend.with({ command: "sleep 1000", pidfile });
  await assertRejects(() => www.start(), BackendError, `pidfile=${pidfile}: `);
  assertEquals(await www.state(), "off");
});
