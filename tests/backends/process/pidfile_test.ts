import { assert, assertEquals, assertRejects } from "@std/assert";
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

Deno.test("a pidfile that others may write is refused", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const pidfile = `${dir.path}/pidfile`;
  Deno.writeTextFileSync(pidfile, "1\n1\n");
  Deno.chmodSync(pidfile, 0o666);
  await assertRejects(
    () => backend.with({ command: "true", pidfile }),
    BackendError,
    `pidfile=${pidfile}: others may write it: remove it`,
  );
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
