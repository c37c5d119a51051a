/**
 * What survives of the unikernels from one daemon to the next: the real program, real processes, the real dig.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SqliteStore } from "../../src/store/sqlite.ts";
import type { HistoryEvent } from "../../src/store/store.ts";
import { readProcessFile } from "../../src/procfs.ts";
import { contentOf, lives, processes } from "../backends/process/support.ts";
import { canMount, SmallDisk } from "../store/disk.ts";
import { TestFile } from "../store/support.ts";
import { canDig, Jitsu } from "./harness.ts";

const IP = "127.0.0.2";

function test(name: string, fn: (file: TestFile) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !canDig,
    async fn() {
      using file = new TestFile();
      await fn(file);
    },
  });
}

function start(file: TestFile, ...args: string[]): Promise<Jitsu> {
  return Jitsu.start(
    "--backend=process",
    "--forwarder=0.0.0.0",
    "--delay=0",
    `--persistdb=${file.path}`,
    ...args,
  );
}

const config = (name: string, ...keys: string[]) =>
  [`dns=${name}.test,ip=${IP},name=${name},command=sleep 1000`, ...keys].join();

async function assertAnswers(jitsu: Jitsu, name: string): Promise<void> {
  const { status, answers, text } = await jitsu.dig(`${name}.test`);
  assertEquals(
    [status, answers.map(({ data }) => data)],
    ["NOERROR", [IP]],
    text,
  );
}

/** What a store that nobody has open has of a unikernel. */
async function stored(file: TestFile, name: string) {
  const store = await file.open();
  try {
    const unikernels = await store.unikernels();
    const history = await store.history(1000, name);
    return {
      spec: unikernels.find((each) => each.name === name)?.spec,
      statistics: unikernels.find((each) => each.name === name)?.statistics,
      history: history.map(short),
    };
  } finally {
    await store.close();
  }
}

function short({ what, origin, from, to }: HistoryEvent): string {
  return what === "state"
    ? `${origin}: ${from} -> ${to}`
    : `${origin}: ${from ? "had" : "new"} ${to ? "has" : "gone"}`;
}

/** The process that the daemon started of this program. */
function childOf(jitsu: Jitsu, program: string): number {
  const child = processes().find(({ pid, ppid }) =>
    ppid === jitsu.pid && readProcessFile(pid, "comm")?.trimEnd() === program
  );
  assert(child, `the daemon has not started ${program}`);
  return child.pid;
}

/** Ends the daemon at once, and leaves the processes it started running as virtual machines would be. */
async function killAlone(jitsu: Jitsu): Promise<void> {
  jitsu.kill("SIGSTOP"); // so that it starts no other watchdog
  Deno.kill(childOf(jitsu, "sh"), "SIGKILL");
  jitsu.kill("SIGKILL");
  await jitsu.exited();
}

test("what was configured is served again without a CONFIG", async (file) => {
  const a = config("a", "env=X=1\\,2"), b = config("b");
  {
    await using jitsu = await start(file, a, b);
    assertEquals((await jitsu.stop()).code, 0);
  }
  await using jitsu = await start(file);
  await assertAnswers(jitsu, "a");
  await assertAnswers(jitsu, "b");
  assertEquals((await jitsu.stop()).code, 0);
  const { spec, history } = await stored(file, "a");
  assertEquals(spec, a);
  assertEquals(history.slice(0, 3), [
    "operator: new has",
    "query: off -> starting",
    "query: starting -> ready",
  ]);
});

test("a CONFIG adds to what is stored, or replaces by name", async (file) => {
  {
    await using _first = await start(file, config("a"), config("b"));
  }
  {
    await using jitsu = await start(
      file,
      config("b", "dns=b2.test"),
      config("c"),
    );
    for (const name of ["a", "b", "b2", "c"]) await assertAnswers(jitsu, name);
  }
  const { history, spec } = await stored(file, "b");
  assertEquals(spec, config("b", "dns=b2.test"));
  assertEquals(history.slice(0, 2), ["operator: new has", "operator: had has"]);
  assertEquals((await stored(file, "a")).history[0], "operator: new has");
  {
    await using _same = await start(file, config("c"));
  }
  const ofC = (await stored(file, "c")).history;
  assertEquals(
    ofC.filter((line) => line.startsWith("operator")),
    ["operator: new has"],
    "what is given as it is stored is no change",
  );
});

test("statistics go on after a restart, and after SIGKILL lack one second at most", async (file) => {
  const ask = async (jitsu: Jitsu, times: number) => {
    for (let i = 0; i < times; i++) await assertAnswers(jitsu, "www");
  };
  const began = Date.now();
  {
    await using jitsu = await start(file, config("www"));
    await ask(jitsu, 3);
    assertEquals((await jitsu.stop()).code, 0);
  }
  const first = (await stored(file, "www")).statistics!;
  assertEquals(first.names.map(({ requests }) => requests), [3]);
  assertEquals([first.starts, first.failures], [1, 0]);
  assert(first.timeToReady! >= 0 && first.timeToReady! < 60_000);
  assertMatch(first.lastStart!.reason, /^A www\.test\. from 127\.0\.0\.1#\d+$/);
  for (const time of [first.lastStart!.time, first.names[0].lastRequest!]) {
    assert(began <= time && time <= Date.now(), `${time}`);
  }
  {
    await using jitsu = await start(file);
    await ask(jitsu, 4);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    jitsu.kill("SIGKILL");
    await jitsu.exited();
  }
  const second = (await stored(file, "www")).statistics!;
  assertEquals(second.names.map(({ requests }) => requests), [7]);
  assertEquals(second.starts, 2);
  assert(second.names[0].lastRequest! > first.names[0].lastRequest!);
});

test("history tells who brought each change about", async (file) => {
  {
    await using jitsu = await start(file, config("www", "ttl=1"));
    await assertAnswers(jitsu, "www");
    await jitsu.logged(/www: off after/);
    await assertAnswers(jitsu, "www");
    Deno.kill(childOf(jitsu, "sleep"), "SIGKILL");
    await jitsu.logged(/www: off \(killed by SIGKILL\)/);
  }
  const { history, statistics } = await stored(file, "www");
  assertEquals(history, [
    "operator: new has",
    "query: off -> starting",
    "query: starting -> ready",
    "idle: ready -> stopping",
    "idle: stopping -> off",
    "query: off -> starting",
    "query: starting -> ready",
    "backend: ready -> off",
  ]);
  assertEquals(statistics!.state, "off");
  assertEquals(statistics!.lastStop!.reason, "killed by SIGKILL");
});

test("a machine that runs on after SIGKILL is adopted, and its idle clock goes on", async (file) => {
  const pidfile = `${file.directory}/pid`;
  const sleepingPid = async () =>
    Number((await contentOf(pidfile)).split("\n")[0]);
  const www = config("www", "ttl=5", `pidfile=${pidfile}`);
  let pid: number, lastRequest: number;
  {
    await using jitsu = await start(file, www);
    await assertAnswers(jitsu, "www");
    lastRequest = Date.now();
    pid = await sleepingPid();
    // Longer than the lag of what is stored, and a good part of the 10 s until it is idle.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await killAlone(jitsu);
    assert(lives(pid));
  }
  const since = (await stored(file, "www")).statistics!.since;
  const began = Date.now();
  await using jitsu = await start(file);
  await jitsu.logged(/www: found process \d+ again, running/);
  await jitsu.logged(/www: idle for 10 s, destroying/);
  await jitsu.logged(/www: off after/);
  assert(!lives(pid));
  const idle = Date.now() - lastRequest, here = Date.now() - began;
  assert(idle >= 9_500, `it was stopped ${idle} ms after the last request`);
  // Had its clock begun anew, it would have lived for 10 s more.
  assert(here < 10_000, `it was stopped ${here} ms after the restart`);
  assertEquals((await jitsu.stop()).code, 0);
  const { history, statistics } = await stored(file, "www");
  assertEquals(history, [
    "operator: new has",
    "query: off -> starting",
    "query: starting -> ready",
    "idle: ready -> stopping",
    "idle: stopping -> off",
  ], "that it was adopted changed nothing");
  assert(since < statistics!.since);
});

test("a suspended machine is still known as such after SIGKILL, and what became of others meanwhile is seen", async (file) => {
  const pidfile = `${file.directory}/pid`;
  const both = [
    config("www", "ttl=1", "mode=suspend", `pidfile=${pidfile}`),
    config("other"),
  ];
  {
    await using jitsu = await start(file, ...both);
    await assertAnswers(jitsu, "www");
    await assertAnswers(jitsu, "other");
    await jitsu.logged(/www: paused after/);
    await jitsu.logged(/other: ready/);
    // The log is ahead of the database, by a second at most.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    jitsu.kill("SIGKILL");
    await jitsu.exited();
  }
  {
    await using jitsu = await start(file);
    await jitsu.logged(/www: found paused/);
    await jitsu.logged(/other: found off/);
    await assertAnswers(jitsu, "www");
    await jitsu.logged(/www: unpaused in/);
  }
  assertEquals((await stored(file, "www")).history.slice(3), [
    "idle: ready -> stopping",
    "idle: stopping -> paused",
    "query: paused -> starting",
    "query: starting -> ready",
  ]);
  assertEquals(
    (await stored(file, "other")).history.at(-1),
    "backend: ready -> off",
  );
});

test("a second daemon on the same database does not start, and the first is left alone", async (file) => {
  await using first = await start(file, config("www"));
  await assertRejects(
    () => start(file),
    Error,
    `jitsu: database ${file.path}: another process has it open: stop that one, or give each Jitsu a database of its own`,
  );
  await assertAnswers(first, "www");
  assertEquals((await first.stop()).code, 0);
});

test("what is stored for another backend, or with a CONFIG that cannot be read, is told before anything is started", async (file) => {
  {
    const store = await file.open();
    const change = { time: 0, origin: "operator", reason: "" } as const;
    const put = (name: string, backend: string, spec: string) =>
      store.configure({ name, backend, spec, fromFile: false }, change);
    await put("a", "libvirt", "dns=a.test,ip=::1,name=a");
    await put("b", "process", "dns=b.test,ip=1.2.3,name=b,command=true");
    await put("c", "process", config("c"));
    await store.close();
  }
  const failure = await assertRejects(() => start(file), Error);
  for (
    const line of [
      "jitsu: a is stored for the backend libvirt, and this is process: choose it with --backend, or name another --persistdb",
      'jitsu: b is stored with a CONFIG that cannot be used (ip "1.2.3" is not an IPv4 or IPv6 address): give its CONFIG anew',
    ]
  ) assert(failure.message.includes(line), failure.message);
  // Both remedies at once.
  await using jitsu = await start(file, config("a"), config("b"));
  for (const name of ["a", "b", "c"]) await assertAnswers(jitsu, name);
});

test("the database is its owner's alone, and so is its log", async (file) => {
  await using _jitsu = await start(file, config("www", "env=PASSWORD=x"));
  const files = [...Deno.readDirSync(file.directory)].map(({ name }) => name);
  assertEquals(files.sort(), ["jitsu.db", "jitsu.db-wal"]);
  for (const name of files) {
    const { mode } = Deno.statSync(`${file.directory}/${name}`);
    assertEquals(mode! & 0o777, 0o600, name);
  }
});

test("an empty database without a CONFIG is served, with a warning", async (file) => {
  await using jitsu = await start(file);
  await jitsu.logged(/there are no unikernels/);
  assertEquals((await jitsu.dig("www.example")).status, "REFUSED");
});

Deno.test({
  name:
    "DNS goes on while the disk is full, which is said once, as is that it has room again",
  ignore: !canDig || !canMount,
  async fn() {
    await using disk = await SmallDisk.mount();
    const path = `${disk.path}/jitsu.db`;
    const options = [
      ...["--backend=process", "--forwarder=0.0.0.0", "--delay=0"],
      `--persistdb=${path}`,
    ];
    {
      await using jitsu = await Jitsu.start(...options, config("www", "ttl=1"));
      disk.fill();
      for (let i = 0; i < 3; i++) {
        const news = jitsu.log.length;
        await assertAnswers(jitsu, "www");
        await jitsu.logged(/www: off after/, news);
      }
      disk.clear();
      await jitsu.logged(/can be written again/);
      const told = jitsu.log.filter((line) => line.includes(path));
      assertEquals(told.map((line) => line.replace(/^\S+ +/, "")), [
        `WARN  jitsu: database ${path}: the disk is full: make room; DNS goes on, and what is to be stored is kept in memory until it can be`,
        `INFO  jitsu: database ${path}: it can be written again`,
      ]);
      assertEquals((await jitsu.stop()).code, 0);
    }
    const store = await SqliteStore.open(path);
    const history = (await store.history(100)).map(short);
    const [{ statistics }] = await store.unikernels();
    await store.close();
    assertEquals(statistics!.starts, 3);
    assertEquals(history.length, 1 + 3 * 4, "nothing of it is missing");
  },
});

for (
  const [what, spoil, words] of [
    ["damaged", (file: TestFile) => {
      Deno.writeTextFileSync(file.path, "precious\n".repeat(1000));
    }, "it is damaged (file is not a database): move it away"],
    ["of a newer version", (file: TestFile) => {
      file.sql((db) => db.exec("PRAGMA user_version = 99"));
    }, "a newer Jitsu made it"],
  ] as const
) {
  test(`a file that is ${what} is told before anything is started, and stays as it is`, async (file) => {
    await (await file.open()).close();
    spoil(file);
    const before = Deno.readFileSync(file.path);
    await assertRejects(
      () => start(file, config("www")),
      Error,
      `jitsu: database ${file.path}: ${words}`,
    );
    assertEquals(Deno.readFileSync(file.path), before);
  });
}
