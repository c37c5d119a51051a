import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { readProcessFile, readStat } from "../../../src/procfs.ts";
import {
  bearing,
  killBearersOf,
  Marks,
} from "../../../src/backends/process/mark.ts";
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
function daemon(...machines: Start[]): Promise<Deno.ChildProcess> {
  return run(machines.map((machine) => JSON.stringify(machine)));
}

/** Runs daemon.ts with so many machines that are started at once; resolves when that begins. */
function burst(count: number, command: string): Promise<Deno.ChildProcess> {
  const machine = JSON.stringify({ keys: { command } });
  return run(["--at-once", ...Array.from({ length: count }, () => machine)]);
}

async function run(args: string[]): Promise<Deno.ChildProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      new URL("daemon.ts", import.meta.url).pathname,
      ...args,
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

/** The watchdogs that a process started. */
const watchdogs = (parent = Deno.pid) =>
  processes().filter(({ pid, ppid }) =>
    ppid === parent &&
    readProcessFile(pid, "cmdline")?.includes("jitsu-watchdog")
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

Deno.test("who bears one of our marks is killed when the watchdog ends, who is to be left or bears another's is not", async () => {
  const ours = new Marks(), others = new Marks();
  const bearer = (mark: bigint) =>
    bearing(
      mark,
      () =>
        new Deno.Command("sleep", { args: ["1000"], detached: true }).spawn(),
    );
  const left = ours.next(), leftOnce = ours.next();
  const killed = [await bearer(ours.next()), await bearer(leftOnce)];
  const spared = [await bearer(left), await bearer(others.next())];
  const watchdog = new Watchdog(ours.prefix);
  await watchdog.open();
  await watchdog.leave(leftOnce);
  await watchdog.leave(left);
  await watchdog.track(leftOnce);
  await watchdog.close();
  for (const child of killed) {
    assertEquals((await child.status).signal, "SIGKILL");
  }
  for (const child of spared) {
    assert(lives(child.pid));
    child.kill("SIGKILL");
    await child.status;
  }
});

Deno.test("a Jitsu that is a machine of another may be killed as one: its processes go with it", async () => {
  using dir = new TestDirectory();
  const mark = new Marks().next();
  const command = stubborn(`${dir.path}/pids`);
  await using child = await bearing(
    mark,
    () => daemon({ keys: { command } }),
  );
  const pids = await pidsIn(`${dir.path}/pids`);
  await killBearersOf(mark);
  assertEquals((await child.status).signal, "SIGKILL");
  await until("all processes to be gone", () => !pids.some(lives));
});

/** Processes that are started at once: so many that it takes some time. */
const BURST = 200;

Deno.test("a daemon that is killed amid a burst of starts leaves nothing, not even what left its group and parent", async () => {
  using dir = new TestDirectory();
  // Each tells of itself and, in a session of its own and without a parent, of another, as soon as it runs.
  const command =
    `sh -c 'echo $$ >>"$0"; (setsid sh -c "echo \\$\\$ >>$0; exec sleep 1000" &) & exec sleep 1000' ${dir.path}/pids`;
  for (let i = 0; i < 5; i++) {
    Deno.writeTextFileSync(`${dir.path}/pids`, "");
    const pids = () =>
      Deno.readTextFileSync(`${dir.path}/pids`).split("\n").filter((line) =>
        line
      ).map(Number);
    await using child = await burst(BURST, command);
    // Not by a timer: on a quick machine all would have started by its next turn.
    const some = 5 * i + 2, end = Date.now() + 60_000;
    while (pids().length < some && Date.now() < end);
    assertGreaterOrEqual(pids().length, some);
    const [watchdog] = watchdogs(child.pid);
    child.kill("SIGKILL");
    await child.status;
    await until("the watchdog to be done", () => !lives(watchdog));
    await until("all to be gone", () => !pids().some(lives));
    assert(pids().length < 2 * BURST, "the daemon was killed amid the burst");
    const rest = processes().filter(({ pid, state }) =>
      state !== "Z" && readProcessFile(pid, "cmdline")?.includes(dir.path)
    );
    assertEquals(rest, []);
  }
});
