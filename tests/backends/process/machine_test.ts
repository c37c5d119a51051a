import { assert, assertEquals, assertRejects } from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import { MAX_LINES } from "../../../src/backends/process/output.ts";
import { readStat } from "../../../src/procfs.ts";
import { until } from "../../until.ts";
import {
  captureLog,
  contentOf,
  lives,
  membersOf,
  processes,
  TestBackend,
  TestDirectory,
} from "./support.ts";

/** A command that writes its pid to the file, then waits with two processes that it started. */
const family = (file: string) =>
  `sh -c 'sleep 1000 & sleep 1000 & echo $$ >"$0"; wait' ${file}`;

Deno.test("a process runs from start to destroy, and takes all it started with it", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({ command: family(`${dir.path}/pid`) });
  assertEquals([www.id, www.name, await www.state()], ["www", "www", "off"]);

  assertEquals(await www.start(), "started");
  assertEquals(await www.state(), "running");
  const pid = Number(await contentOf(`${dir.path}/pid`));
  assertEquals(membersOf(pid).length, 3, "it leads a group of its own");
  assertEquals(await www.start(), "found running");

  await www.destroy();
  assertEquals(await www.state(), "off");
  // What it had started is init's now, to be reaped when init likes: in a container that may be never.
  await until(
    "the group to be dead",
    () => membersOf(pid).every(({ state }) => state === "Z"),
  );
  assertEquals(lives(pid), false);
  assertEquals(backend.told, [
    `www running: started as process ${pid}`,
    "www off: killed by SIGKILL",
  ]);
  await www.destroy();
});

Deno.test("a process is in a session of its own, out of reach of the terminal's signals", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({
    command: `sh -c 'cat /proc/self/stat >${dir.path}/stat; exec sleep 1000'`,
  });
  await www.start();
  const fields = (await contentOf(`${dir.path}/stat`)).split(" ");
  const [parent, group, session, terminal] = fields.slice(3, 7);
  assertEquals([group, session, terminal], [parent, parent, "0"]);
});

Deno.test("a suspended process and all it started are stopped until it is started again", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({ command: family(`${dir.path}/pid`) });
  await assertRejects(
    () => www.suspend(),
    BackendError,
    "it does not run",
  );
  await www.start();
  const pid = Number(await contentOf(`${dir.path}/pid`));

  assertEquals(await www.suspend(), "paused");
  assertEquals(await www.state(), "paused");
  await until(
    "all to be stopped",
    () => membersOf(pid).every(({ state }) => state === "T"),
  );
  assertEquals(await www.suspend(), "paused");

  assertEquals(await www.start(), "unpaused");
  assertEquals(await www.state(), "running");
  await until(
    "all to run again",
    () => membersOf(pid).every(({ state }) => state === "S"),
  );
  assertEquals(
    backend.told.map((line) => line.split(":")[0]),
    ["www running", "www paused", "www running"],
  );
});

for (const state of ["running", "paused"] as const) {
  Deno.test(`a ${state} process is shut down with SIGTERM and may take its leave`, async () => {
    using dir = new TestDirectory();
    await using backend = new TestBackend();
    const www = await backend.with({
      command:
        `sh -c 'trap "echo bye >${dir.path}/bye; exit 3" TERM; echo >${dir.path}/up; while :; do sleep 0.01; done'`,
    });
    await www.shutdown();
    await www.start();
    await contentOf(`${dir.path}/up`);
    if (state === "paused") await www.suspend();
    await www.shutdown();
    await backend.tells(/^www off: exited with code 3$/);
    assertEquals(await contentOf(`${dir.path}/bye`), "bye");
    assertEquals(await www.state(), "off");
  });
}

Deno.test("a process that ignores SIGTERM runs until it is destroyed, also while it is suspended", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({
    command:
      `sh -c 'trap "echo >${dir.path}/heard" TERM; echo >${dir.path}/up; while :; do sleep 0.01; done'`,
  });
  await www.start();
  await contentOf(`${dir.path}/up`);
  await www.shutdown();
  await contentOf(`${dir.path}/heard`);
  assertEquals(await www.state(), "running");
  await www.suspend();
  await www.destroy();
  await backend.tells(/^www off: killed by SIGKILL$/);
});

Deno.test("how a process ended is told in words", async () => {
  await using backend = new TestBackend();
  const cases: [string, string][] = [
    ["exit 3", "exited with code 3"],
    ["exit 0", "exited with code 0"],
    ["kill -s SEGV $$", "killed by SIGSEGV"],
  ];
  for (const [script, reason] of cases) {
    const machine = await backend.with({ command: `sh -c "${script}"` });
    assertEquals(await machine.start(), "started");
    await until("the end", () => backend.told.at(-1) === `www off: ${reason}`);
    assertEquals(await machine.state(), "off");
  }
});

Deno.test("what a process left behind in its group goes when it goes", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({
    command: `sh -c 'sleep 1000 & echo $! >${dir.path}/pid'`,
  });
  await www.start();
  const pid = Number(await contentOf(`${dir.path}/pid`));
  await backend.tells(/^www off: exited with code 0$/);
  await until("the rest to be gone", () => !lives(pid));
});

Deno.test("a program that can't be executed is a failed start that says why", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const program = `${dir.path}/server`;
  const cases: [string, () => void][] = [
    ["No such file or directory", () => Deno.removeSync(program)],
    ["Permission denied", () => {
      Deno.writeTextFileSync(program, "", { mode: 0o644 });
    }],
    ["it or the interpreter it names is gone", () => {
      Deno.writeTextFileSync(program, "#!/no/such/interpreter\n");
      Deno.chmodSync(program, 0o755);
    }],
  ];
  for (const [message, spoil] of cases) {
    await Deno.writeTextFile(program, "#!/bin/sh\n", { mode: 0o755 });
    await Deno.chmod(program, 0o755);
    const www = await backend.with({ command: program });
    spoil();
    const error = await assertRejects(() => www.start(), BackendError);
    assert(error.message.includes(program), error.message);
    assert(error.message.includes(message), error.message);
    assertEquals(await www.state(), "off");
  }
  assertEquals(backend.told, []);
});

Deno.test("what signals from elsewhere do to a process is told at once", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({ command: family(`${dir.path}/pid`) });
  await www.start();
  const pid = Number(await contentOf(`${dir.path}/pid`));

  Deno.kill(pid, "SIGSTOP");
  await backend.tells(/^www paused: stopped by a signal$/);
  assertEquals(await www.state(), "paused");
  Deno.kill(pid, "SIGCONT");
  await backend.tells(/^www running: continued by a signal$/);
  Deno.kill(pid, "SIGSTOP");
  await backend.tells(/^www paused: stopped by a signal$/);
  assertEquals(await www.start(), "unpaused");
  assertEquals(await www.state(), "running");

  Deno.kill(pid, "SIGKILL");
  await backend.tells(/^www off: killed by SIGKILL$/);
  assertEquals(await www.start(), "started");
});

Deno.test("no zombies are left of what was started and stopped", async () => {
  await using backend = new TestBackend();
  const www = await backend.with({ command: "sh -c 'sleep 1000 & wait'" });
  for (let i = 0; i < 5; i++) {
    await www.start();
    await www.destroy();
  }
  const short = await backend.with({ command: "sh -c 'exit 1'" }, "short");
  await short.start();
  await backend.tells(/^short off/);
  const groups = backend.told.flatMap((line) =>
    /process (\d+)/.exec(line)?.[1] ?? []
  ).map(Number);
  assertEquals(groups.length, 6);
  await until(
    "all to be gone, zombies too",
    () => !processes().some(({ pgrp }) => groups.includes(pgrp)),
  );
});

Deno.test("output goes to the log line by line under the machine's name", async () => {
  const log = captureLog();
  await using backend = new TestBackend();
  const www = await backend.with({
    command: String.raw`sh -c 'echo one; echo two >&2; printf "a\377b\nthree"'`,
  });
  await www.start();
  await until("all lines", () => log.length === 4);
  assertEquals(log.sort(), [
    "machine INFO www: a\ufffdb",
    "machine INFO www: one",
    "machine INFO www: three",
    "machine INFO www: two",
  ]);
});

Deno.test("a process that closes its output keeps running", async () => {
  using dir = new TestDirectory();
  const log = captureLog();
  await using backend = new TestBackend();
  const www = await backend.with({
    command:
      `sh -c 'echo one; exec >&- 2>&-; echo >${dir.path}/closed; exec sleep 1000'`,
  });
  await www.start();
  await contentOf(`${dir.path}/closed`);
  await until("all lines", () => log.length === 1);
  assertEquals(await www.state(), "running");
});

Deno.test("of a flood of output the beginning is logged and the rest counted, and nobody waits for it", async () => {
  using dir = new TestDirectory();
  const log = captureLog();
  await using backend = new TestBackend();
  const www = await backend.with({
    command:
      `sh -c 'yes | head -n 500000; echo >${dir.path}/end; exec >&- 2>&-; exec sleep 1000'`,
  });
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  await www.start();
  await contentOf(`${dir.path}/end`);
  await until("the count", () => log.length > MAX_LINES);
  clearInterval(timer);
  assertEquals(log.length, MAX_LINES + 1);
  assertEquals(
    log.at(-1),
    `machine WARN www: ${
      500000 - MAX_LINES
    } lines of its output were dropped: it wrote more than 2000 in 10 s`,
  );
  // A second or more when each line was logged; the limit is for machines that are busy with much else.
  assert(longest < 500, `others waited ${longest} ms`);
  assertEquals(await www.state(), "running");
});

Deno.test("a process gets its directory and its environment, and nothing on stdin", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({
    command: `sh -c '{ pwd -P; echo "$A $B $HOME"; wc -c; } >out'`,
    cwd: dir.path,
    env: ["A=x y", "B=$HOME"],
  });
  await www.start();
  await backend.tells(/^www off: exited with code 0$/);
  assertEquals(
    await contentOf(`${dir.path}/out`),
    [
      Deno.realPathSync(dir.path),
      `x y $HOME ${Deno.env.get("HOME") ?? ""}`,
      "0",
    ].join("\n"),
  );
});

const root = Deno.uid() === 0;
// deno-lint-ignore no-console -- says why a test does not run
if (!root) console.log("skipped: running a process as another user needs root");
Deno.test({
  name: "a process runs as the user and in the one group that it was given",
  ignore: !root,
  async fn() {
    const log = captureLog();
    await using backend = new TestBackend();
    const www = await backend.with({
      command: `sh -c 'id -un; id -g; id -G; echo $HOME $USER'`,
      user: "nobody:4711",
      cwd: "/",
    });
    await www.start();
    await backend.tells(/^www off: exited with code 0$/);
    await until("all lines", () => log.length === 4);
    const home = Deno.readTextFileSync("/etc/passwd").split("\n")
      .find((line) => line.startsWith("nobody:"))!.split(":")[5];
    assertEquals(
      log,
      ["nobody", "4711", "4711", `${home} nobody`].map((line) =>
        `machine INFO www: ${line}`
      ),
    );
  },
});

for (const user of root ? [[], ["nobody:4711"]] : [[]]) {
  Deno.test(`what the environment tells Jitsu alone does not reach a process${user.length ? " of another user" : ""}`, async () => {
    using dir = new TestDirectory();
    Deno.chmodSync(dir.path, 0o777);
    // In a daemon of its own, since the environment is read once.
    const command = `sh -c 'env >"$0"; exec sleep 1000' ${dir.path}/env`;
    const ours = { JITSU_XAPI_PASSWORD: "secret", NOTIFY_SOCKET: "/n" };
    await using child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        new URL("daemon.ts", import.meta.url).pathname,
        JSON.stringify({ keys: { command, user, env: ["A=b"] } }),
      ],
      env: { ...ours, OF_THE_SERVICE: "yes" },
      stdin: "null",
      stdout: "null",
    }).spawn();
    const lines = (await contentOf(`${dir.path}/env`)).split("\n");
    assert(lines.includes("A=b"));
    assertEquals(lines.includes("OF_THE_SERVICE=yes"), user.length === 0);
    for (const name of Object.keys(ours)) {
      assert(!lines.some((line) => line.startsWith(`${name}=`)), name);
    }
    child.kill();
    await child.status;
  });
}

for (const user of root ? [[], ["nobody"]] : [[]]) {
  Deno.test(`of many processes that are started at once${user.length ? " as another user" : ""} the first is there before the last is begun`, async () => {
    await using backend = new TestBackend();
    const keys = { command: "sleep 1000", user };
    const machines = await Promise.all(
      Array.from({ length: 50 }, (_, i) => backend.with(keys, `m${i}`)),
    );
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const starts = machines.map((machine) => machine.start());
    await Promise.race(starts);
    assert(backend.told.length < 50, "others are yet to be started");
    await Promise.all(starts);
    clearInterval(timer);
    assert(turns > 5, `everybody else had only ${turns} turns meanwhile`);
  });
}

for (const user of root ? [[], ["nobody"]] : [[]]) {
  Deno.test(`a process that ends at once${user.length ? " as another user" : ""} was started all the same`, async () => {
    await using backend = new TestBackend();
    for (let i = 0; i < 20; i++) {
      const machine = await backend.with({ command: "true", user }, `m${i}`);
      assertEquals(await machine.start(), "started");
    }
    const ended = () => backend.told.filter((line) => line.includes(" off: "));
    await until("all to end", () => ended().length === 20);
    assert(ended().every((line) => line.endsWith("exited with code 0")));
  });
}

Deno.test("the output of more machines than there are threads in Deno's pool is read, and none is held for it", async () => {
  const log = captureLog();
  await using backend = new TestBackend();
  for (let i = 0; i < 40; i++) {
    const keys = { command: "sh -c 'echo up; exec sleep 1000'" };
    await (await backend.with(keys, `m${i}`)).start();
  }
  await until("all lines", () => log.length === 40);
  assert(await Deno.readTextFile("/proc/self/stat"), "which takes a thread");
});

Deno.test("kill_timeout is the grace period where it is given", async () => {
  await using backend = new TestBackend();
  const machine = (keys = {}) => backend.with({ command: "true", ...keys });
  assertEquals((await machine()).gracePeriod, undefined);
  assertEquals((await machine({ kill_timeout: "1.5" })).gracePeriod, 1500);
});

Deno.test("closing stops every process, gently where it heeds SIGTERM", async () => {
  using dir = new TestDirectory();
  const backend = new TestBackend();
  const script = (name: string, onTerm: string) =>
    `sh -c 'trap "${onTerm}" TERM; echo >${dir.path}/${name}; while :; do sleep 0.01; done'`;
  const machines = [
    await backend.with({ command: script("heeds", "exit 3") }, "heeds"),
    await backend.with({ command: script("ignores", "") }, "ignores"),
    await backend.with({ command: script("paused", "exit 4") }, "paused"),
    await backend.with({ command: "true" }, "never"),
  ];
  for (const machine of machines.slice(0, 3)) {
    await machine.start();
    await contentOf(`${dir.path}/${machine.name}`);
  }
  await machines[2].suspend();
  await backend.close();
  assertEquals(backend.told.filter((line) => line.includes(" off: ")).sort(), [
    "heeds off: exited with code 3",
    "ignores off: killed by SIGKILL",
    "paused off: exited with code 4",
  ]);
  await assertRejects(
    () => machines[0].start(),
    BackendError,
    "Jitsu is exiting",
  );
});

/** A command that waits for one that left its group, its session and its parent, and wrote its pid to the file. */
const stray = (file: string) =>
  `sh -c '(setsid sh -c "echo \\$\\$ >$0; exec sleep 1000" &); exec sleep 1000' ${file}`;

for (const end of ["destroy", "shutdown", "close"] as const) {
  Deno.test(`what left the process group is gone after ${end}, too`, async () => {
    using dir = new TestDirectory();
    await using backend = new TestBackend();
    const www = await backend.with({ command: stray(`${dir.path}/pid`) });
    await www.start();
    const pid = Number(await contentOf(`${dir.path}/pid`));
    assert(membersOf(pid).length > 0, "it leads a group of its own");
    if (end === "close") await backend.close();
    else await www[end]();
    await backend.tells(/^www off/);
    assert(!lives(pid));
  });
}

Deno.test("closing does not wait for what got rid of group and mark and keeps the output open", async () => {
  using dir = new TestDirectory();
  const backend = new TestBackend();
  const www = await backend.with({
    command:
      `sh -c 'ulimit -S -m 1000; setsid sh -c "echo \\$\\$ >$0; exec sleep 1000" & exec sleep 1000' ${dir.path}/pid`,
  });
  await www.start();
  const pid = Number(await contentOf(`${dir.path}/pid`));
  try {
    await backend.close();
    assert(lives(pid), "else the test shows nothing");
  } finally {
    Deno.kill(pid, "SIGKILL");
  }
});

Deno.test("what left the process group is suspended and goes on with the process", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({ command: stray(`${dir.path}/pid`) });
  await www.start();
  const pid = Number(await contentOf(`${dir.path}/pid`));
  await www.suspend();
  await until("it to stop", () => readStat(pid)?.state === "T");
  await www.start();
  await until("it to go on", () => readStat(pid)?.state === "S");
});

Deno.test("a process goes on when its machine is asked for with another command, which counts at the next start", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({ command: family(`${dir.path}/pid`) });
  await www.start();
  const pid = Number(await contentOf(`${dir.path}/pid`));

  const command = family(`${dir.path}/other`);
  const again = await backend.with({ command, kill_timeout: "7" });
  assert(again === www, "it is the same machine");
  assertEquals([await www.state(), www.gracePeriod], ["running", 7000]);
  assert(lives(pid));

  await www.destroy();
  await www.start();
  assert(Number(await contentOf(`${dir.path}/other`)) !== pid);
});

Deno.test("a machine that is asked for with a command that cannot be stays as it was", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const www = await backend.with({ command: family(`${dir.path}/pid`) });
  await assertRejects(
    () => backend.with({ command: `${dir.path}/gone` }),
    BackendError,
    "no such file",
  );
  await www.start();
  await contentOf(`${dir.path}/pid`);
});

Deno.test("a pidfile stays as long as its process lives, and is free when its machine is released", async () => {
  using dir = new TestDirectory();
  await using backend = new TestBackend();
  const pidfile = `${dir.path}/pid`;
  const www = await backend.with({ command: "sleep 1000", pidfile });
  await www.start();
  await assertRejects(
    () => backend.with({ command: "sleep 1000", pidfile: `${pidfile}2` }),
    BackendError,
    "stop it first",
  );
  www.release?.();
  await assertRejects(
    () => backend.with({ command: "sleep 1000", pidfile }, "web"),
    BackendError,
    "www has it too",
  );
  await www.destroy();
  www.release?.();
  await backend.with({ command: "sleep 1000", pidfile }, "web");
});
