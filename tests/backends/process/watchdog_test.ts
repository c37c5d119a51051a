import { assert, assertEquals } from "@std/assert";
import { readProcessFile, readStat } from "../../../src/procfs.ts";
import { Watchdog } from "../../../src/backends/process/watchdog.ts";
import { until } from "../../until.ts";
import type { Start } from "./daemon.ts";
import {
  captureLog,
  contentOf,
  lives,
  processes,
  TestBackend,
  TestDirectory,
} from "./support.ts";

/** Runs daemon.ts with these machines; resolves when they run, or are suspended. */
async function daemon(...machines: Start[]): Promise<Deno.ChildProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      new URL("daemon.ts", import.meta.url).pathname,
      ...machines.map((machine) => JSON.stringify(machine)),
    ],
    stdin: "null",
    stdout: "piped",
    detached: true,
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assertEquals(new TextDecoder().decode(value), "ready\n");
  await reader.cancel();
  return child;
}

/** A command that writes its pid and that of a process it started to the file, and ignores what it can. */
const stubborn = (file: string) =>
  `sh -c 'trap "" HUP INT TERM; sleep 1000 & echo $$ $! >"$0"; while :; do sleep 1; done' ${file}`;

const pidsIn = async (file: string) =>
  (await contentOf(file)).split(" ").map(Number);

/** The watchdogs that this process started. */
const watchdogs = () =>
  processes().filter(({ pid, ppid }) =>
    ppid === Deno.pid &&
    readProcessFile(pid, "cmdline")?.includes("groups=' '")
  ).map(({ pid }) => pid);

Deno.test("a daemon that is killed takes its processes with it, also suspended ones", async () => {
  using dir = new TestDirectory();
  const files = ["a", "b", "c"].map((name) => `${dir.path}/${name}`);
  await using child = await daemon(...files.map((file) => ({
    keys: { command: stubborn(file) },
  })));
  const pids = (await Promise.all(files.map(pidsIn))).flat();
  assertEquals(pids.length, 6);
  Deno.kill(-pids[0], "SIGSTOP");
  assert(pids.every(lives));
  child.kill("SIGKILL");
  await child.status;
  await until("all processes to be gone", () => !pids.some(lives));
});

Deno.test("a signal to the daemon's process group reaches neither its processes nor the watchdog", async () => {
  using dir = new TestDirectory();
  await using child = await daemon({
    keys: {
      command: `sh -c 'sleep 1000 & echo $$ $! >"$0"; wait' ${dir.path}/pids`,
    },
  });
  const pids = await pidsIn(`${dir.path}/pids`);
  Deno.kill(-child.pid, "SIGSTOP");
  await until("the daemon to stop", () => readStat(child.pid)?.state === "T");
  assert(pids.every((pid) => readStat(pid)?.state !== "T"));
  Deno.kill(-child.pid, "SIGCONT");
  Deno.kill(-child.pid, "SIGINT");
  assertEquals((await child.status).signal, "SIGINT");
  await until("all processes to be gone", () => !pids.some(lives));
});

Deno.test("a suspended process with a pidfile outlives a daemon that is killed and is found again", async () => {
  using dir = new TestDirectory();
  const pids = `${dir.path}/pids`, otherPids = `${dir.path}/other`;
  const keys = {
    command: stubborn(pids),
    pidfile: `${dir.path}/pidfile`,
  };
  await using child = await daemon(
    { keys, suspendOnce: pids },
    { keys: { command: stubborn(otherPids) } },
  );
  const [pid, sleep] = await pidsIn(pids);
  const others = await pidsIn(otherPids);
  child.kill("SIGKILL");
  await child.status;
  await until("the other processes to be gone", () => !others.some(lives));

  await using backend = new TestBackend();
  const www = await backend.with(keys);
  assertEquals(await www.state(), "paused");
  assertEquals(await www.start(), "unpaused");
  assertEquals([lives(pid), lives(sleep)], [true, true]);
  await www.destroy();
  await until("all to be gone", () => !lives(pid) && !lives(sleep));
});

Deno.test("a watchdog that is killed has a successor that knows what it knew", async () => {
  using dir = new TestDirectory();
  const log = captureLog();
  await using backend = new TestBackend();
  const www = await backend.with({ command: stubborn(`${dir.path}/pids`) });
  await www.start();
  const pids = await pidsIn(`${dir.path}/pids`);
  // One that was killed right after its start is not replaced at once.
  await new Promise((resolve) => setTimeout(resolve, 1100));

  const [first] = watchdogs();
  Deno.kill(first, "SIGKILL");
  const second = await until(
    "a second watchdog",
    () => watchdogs().find((pid) => pid !== first),
  );
  await until("a log line", () => log.length > 0);
  assertEquals(log, [
    "backend WARN the watchdog of the processes was killed; started another",
  ]);

  Deno.kill(second, "SIGKILL");
  await until("a log line", () => log.length > 1);
  assert(log[1].startsWith("backend ERROR the watchdog"), log[1]);
  assert(pids.every(lives));

  const other = await backend.with({ command: "sleep 1000" }, "other");
  await other.start();
  assertEquals(watchdogs().length, 1);
});

Deno.test("a group is killed when the watchdog ends, one that is no longer tracked is not", async () => {
  const spawn = () =>
    new Deno.Command("sleep", { args: ["1000"], detached: true }).spawn();
  const [tracked, untracked, reused] = [spawn(), spawn(), spawn()];
  const { startTime } = readStat(tracked.pid)!;
  const watchdog = new Watchdog();
  await watchdog.open();
  await watchdog.track({ pid: untracked.pid, startTime });
  await watchdog.track({ pid: tracked.pid, startTime });
  // As if its number had belonged to another process before.
  await watchdog.track({ pid: reused.pid, startTime: startTime - 1 });
  await watchdog.untrack({ pid: untracked.pid, startTime });
  await watchdog.close();
  assertEquals((await tracked.status).signal, "SIGKILL");
  for (const child of [untracked, reused]) {
    assert(lives(child.pid));
    child.kill("SIGKILL");
    await child.status;
  }
});
