/**
 * The whole story with the process backend: the real program, real processes, the real dig.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  contentOf,
  lives,
  TestDirectory,
} from "../backends/process/support.ts";
import { until } from "../until.ts";
import {
  canDig,
  type DigResult,
  freePort,
  Jitsu,
  REPOSITORY,
} from "./harness.ts";

const IP = "127.0.0.2";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !canDig, fn });
}

function start(...args: string[]): Promise<Jitsu> {
  return Jitsu.start("--backend=process", "--forwarder=0.0.0.0", ...args);
}

/** The keys of a unikernel that serves HTTP some time after its start. */
function webServer(port: number, ttl: number, ...keys: string[]): string {
  const late = `sh -c 'sleep 0.3; exec "$0" "$@"'`;
  const server = `${REPOSITORY}src/demo/server.ts ${IP} ${port}`;
  return [
    `dns=www.test,ip=${IP},name=www,wait_for_tcp=${port},ttl=${ttl}`,
    `command=${late} ${Deno.execPath()} run --allow-net ${server}`,
    ...keys,
  ].join(",");
}

/** Asks the web server which process it is. Fails if it can't be reached. */
async function pidOf(port: number): Promise<number> {
  const response = await fetch(`http://${IP}:${port}/`);
  const [, pid] = /process (\d+)/.exec(await response.text())!;
  return Number(pid);
}

/** Asks for the name, which must be answered with the address. */
async function assertAnswers(jitsu: Jitsu, name = "www.test"): Promise<void> {
  const { status, answers, text } = await jitsu.dig(name);
  assertEquals(
    [status, answers.map(({ data }) => data)],
    ["NOERROR", [IP]],
    text,
  );
}

test("a query starts the process, and the answer comes when it can be used", async () => {
  const port = freePort();
  await using jitsu = await start(webServer(port, 60));
  await assertRejects(() => Deno.connect({ hostname: IP, port }));

  const cold = await jitsu.dig("www.TEST");
  const pid = await pidOf(port);
  assertEquals(cold.status, "NOERROR");
  assert(cold.flags.includes("aa"));
  assertEquals(cold.answers, [
    { name: "www.TEST.", ttl: 60, type: "A", data: IP },
  ]);

  await assertAnswers(jitsu);
  assertEquals(await pidOf(port), pid, "no other was started");
  assertEquals(await jitsu.stop().then(({ code }) => code), 0);
  assert(!lives(pid));
});

for (
  const [mode, stopped, again] of [
    ["destroy", /www: off after/, /www: started in/],
    ["shutdown", /www: off after/, /www: started in/],
    ["suspend", /www: paused after/, /www: unpaused in/],
  ] as const
) {
  test(`a process that nobody asks for is stopped (${mode}) and summoned again`, async () => {
    const port = freePort();
    await using jitsu = await start(webServer(port, 1, `mode=${mode}`));
    await assertAnswers(jitsu);
    const pid = await pidOf(port);

    await jitsu.logged(stopped);
    assertEquals(lives(pid), mode === "suspend");
    const stat = mode === "suspend" &&
      Deno.readTextFileSync(`/proc/${pid}/stat`);
    if (stat) assertMatch(stat, /\) T /);

    const news = jitsu.log.length;
    await assertAnswers(jitsu);
    await jitsu.logged(again, news);
    assertEquals(await pidOf(port) === pid, mode === "suspend");
  });
}

test("a process that was killed behind our back is started by the next query", async () => {
  const port = freePort();
  await using jitsu = await start(webServer(port, 60));
  await assertAnswers(jitsu);
  const pid = await pidOf(port);
  Deno.kill(pid, "SIGKILL");
  await jitsu.logged(/www: off \(killed by SIGKILL\)/);
  await assertAnswers(jitsu);
  assert(await pidOf(port) !== pid);
});

test("a command that fails is SERVFAIL with the reason in words, and is not tried again at once", async () => {
  // The answer comes long before the readiness is given up.
  await using jitsu = await start(
    `dns=www.test,ip=${IP},name=www,wait_for_tcp=9,wait_timeout=600,command=sh -c 'echo oops >&2; exit 3'`,
  );
  const assertFails = (
    { status, answers, ede, text }: DigResult,
    reason: RegExp,
  ) => {
    assertEquals([status, answers], ["SERVFAIL", []], text);
    assertMatch(ede.map(({ text }) => text).join(), reason);
  };
  assertFails(await jitsu.dig("www.test"), /exited with code 3/);
  assertFails(await jitsu.dig("www.test"), /exited with code 3.*next try in/);
  await jitsu.logged(/machine: www: oops/);
  const starts = jitsu.log.filter((line) => line.includes("www: started in"));
  assertEquals(starts.length, 1);
});

test("a process that dies soon after it was ready, again and again, is said to be in a crash loop and left alone", async () => {
  await using jitsu = await start(
    "--delay=0",
    `dns=www.test,ip=${IP},name=www,command=sh -c 'sleep 0.3; exit 1'`,
  );
  const refused = await until("a refusal", async () => {
    const answer = await jitsu.dig("www.test");
    return answer.status === "SERVFAIL" ? answer : undefined;
  });
  assertMatch(
    refused.ede.map(({ text }) => text).join(),
    /www is in a crash loop, 3 times so far: it went off .* after it was ready \(exited with code 1\)/,
  );
});

test("a process that is not seen to be ready is answered for, and called unconfirmed", async () => {
  await using jitsu = await start(
    `dns=www.test,ip=${IP},name=www,wait_for_tcp=${freePort()},wait_timeout=0.5,command=sleep 1000`,
  );
  assertEquals((await jitsu.dig("www.test")).status, "NOERROR");
  await jitsu.logged(
    /www: taken for ready .*, unconfirmed: no TCP connection to 127\.0\.0\.2 port/,
  );
});

test("a command that is not there is told before anything is started", async () => {
  using dir = new TestDirectory();
  const fine = `dns=a.test,ip=${IP},name=a,command=touch ${dir.path}/started`;
  const gone = `dns=b.test,ip=${IP},name=b,command=${dir.path}/gone`;
  await assertRejects(
    () => start(fine, gone),
    Error,
    `jitsu: b: command=${dir.path}/gone: no such file`,
  );
  assertEquals([...Deno.readDirSync(dir.path)], []);
});

test("where processes cannot be marked none is started, and the answer says what to do", async () => {
  await using jitsu = await Jitsu.startIn(
    ["sh", "-c", 'ulimit -m 1000000; exec "$0" "$@"'],
    "--backend=process",
    "--forwarder=0.0.0.0",
    `dns=www.test,ip=${IP},name=www,command=sleep 1000`,
  );
  const { status, ede, text } = await jitsu.dig("www.test");
  assertEquals(status, "SERVFAIL", text);
  assertMatch(ede.map(({ text }) => text).join(), /LimitRSS=infinity/);
});

/** A command that writes its pid to the file and ignores SIGTERM. */
const stubborn = (file: string) =>
  `command=sh -c 'trap "" TERM; echo $$ >${file}; exec sleep 1000'`;

for (const required of [true, false]) {
  test(
    `somebody else who listens on the port of a process is not taken for it: ${
      required ? "a failure" : "a warning without wait_required"
    }`,
    async () => {
      using dir = new TestDirectory();
      using other = Deno.listen({ hostname: IP, port: 0 });
      const { port } = other.addr as Deno.NetAddr;
      await using jitsu = await start(
        `dns=www.test,ip=${IP},name=www,wait_for_tcp=${port},wait_required=${required},command=sh -c 'echo >${dir.path}/started; exec sleep 1000'`,
      );
      const { status, ede, text } = await jitsu.dig("www.test");
      const reason = new RegExp(
        `TCP port ${port} of ${IP} accepts connections though www is off: somebody else listens there`,
      );
      await jitsu.logged(reason);
      assertEquals(status, required ? "SERVFAIL" : "NOERROR", text);
      assertMatch(
        required ? ede.map(({ text }) => text).join() : jitsu.log.join("\n"),
        reason,
      );
      if (required) assertEquals([...Deno.readDirSync(dir.path)], []);
      else await contentOf(`${dir.path}/started`);
    },
  );
}

test("a process that somebody suspended goes on with the next query", async () => {
  const port = freePort();
  await using jitsu = await start(webServer(port, 60));
  await assertAnswers(jitsu);
  const pid = await pidOf(port);
  Deno.kill(pid, "SIGSTOP");
  await jitsu.logged(/www: paused \(stopped by a signal\)/);
  await assertAnswers(jitsu);
  assertEquals(await pidOf(port), pid);
});

test("SIGTERM while a process is coming: the client is answered, the process gone within 5 s", async () => {
  using dir = new TestDirectory();
  const file = `${dir.path}/pid`;
  await using jitsu = await start(
    `dns=www.test,ip=${IP},name=www,wait_for_tcp=9,wait_timeout=600,${
      stubborn(file)
    }`,
  );
  const query = jitsu.dig("www.test");
  const pid = Number(await contentOf(file));
  const { code, ms } = await jitsu.stop();
  assertEquals(code, 0);
  assert(ms < 5000, `it exits within 5 s, but took ${ms} ms`);
  const { status, ede, text } = await query;
  assertEquals(status, "SERVFAIL", text);
  assertMatch(ede.map(({ text }) => text).join(), /shutting down/);
  assert(!lives(pid));
});

test("processes do not outlive a daemon that is killed", async () => {
  const port = freePort();
  await using jitsu = await start(webServer(port, 60));
  await assertAnswers(jitsu);
  const pid = await pidOf(port);
  jitsu.kill("SIGKILL");
  assertEquals((await jitsu.exited()).signal, "SIGKILL");
  await until("the process to be gone", () => !lives(pid));
});

test("a suspended process with a pidfile is left by one daemon and resumed by the next", async () => {
  using dir = new TestDirectory();
  const port = freePort();
  const www = webServer(
    port,
    60,
    "mode=suspend",
    `pidfile=${dir.path}/pid`,
  );
  let pid: number;
  {
    await using jitsu = await start("--stop-on-exit", www);
    await assertAnswers(jitsu);
    pid = await pidOf(port);
    assertEquals((await jitsu.stop()).code, 0);
  }
  assertMatch(Deno.readTextFileSync(`/proc/${pid}/stat`), /\) T /);

  await using jitsu = await start(www);
  await jitsu.logged(/www: found process \d+ again, paused/);
  await assertAnswers(jitsu);
  assertEquals(await pidOf(port), pid);
  assertEquals((await jitsu.stop()).code, 0);
  assert(!lives(pid), "it runs, so that it must not outlive this daemon");
});

test("--stop-on-exit stops processes in their mode", async () => {
  using dir = new TestDirectory();
  await using jitsu = await start(
    "--stop-on-exit",
    "--delay=0",
    `dns=www.test,ip=${IP},name=www,mode=shutdown,command=sh -c 'trap "echo bye >${dir.path}/bye; exit" TERM; echo up; while :; do sleep 0.01; done'`,
  );
  await assertAnswers(jitsu);
  await jitsu.logged(/machine: www: up/);
  assertEquals((await jitsu.stop()).code, 0);
  assertEquals(Deno.readTextFileSync(`${dir.path}/bye`), "bye\n");
  assert(jitsu.log.some((line) => /www: off after/.test(line)));
});

test("--stop-on-exit waits no longer than 5 s for a process that ignores SIGTERM, which is gone then", async () => {
  using dir = new TestDirectory();
  const file = `${dir.path}/pid`;
  await using jitsu = await start(
    "--stop-on-exit",
    "--delay=0",
    `dns=www.test,ip=${IP},name=www,mode=shutdown,${stubborn(file)}`,
  );
  await assertAnswers(jitsu);
  const pid = Number(await contentOf(file));
  const { code, ms } = await jitsu.stop();
  assertEquals(code, 0);
  assert(ms < 5000, `it exits within 5 s, but took ${ms} ms`);
  await until("the process to be gone", () => !lives(pid));
});

test("many names and many clients at once: each process is started once, each client answered", async () => {
  const names = Array.from({ length: 20 }, (_, i) => `n${i}`);
  await using jitsu = await start(
    "--delay=0.2",
    ...names.map((name) =>
      `dns=${name}.test,ip=${IP},name=${name},command=sleep 1000`
    ),
  );
  await Promise.all(
    [...names, ...names, ...names].map((name) =>
      assertAnswers(jitsu, `${name}.test`)
    ),
  );
  const started = jitsu.log.flatMap((line) =>
    /summon: (\w+): started in/.exec(line)?.[1] ?? []
  );
  assertEquals(started.sort(), names.toSorted());
});

test("the log tells how a query became an answer, and nothing of queries that start nothing", async () => {
  const port = freePort();
  await using jitsu = await start(webServer(port, 60));
  await assertAnswers(jitsu);
  const told = jitsu.log.map((line) => line.replace(/^\S+ +\S+ +/, ""));
  const order = [
    /^summon: www: summoned by A www\.test\. from 127\.0\.0\.1#\d+$/,
    new RegExp(
      `^summon: www: started in \\d+\\.\\d\\d s, waiting for TCP port ${port}$`,
    ),
    /^summon: www: ready \d+\.\d\d s after the query$/,
  ].map((pattern) => told.findIndex((line) => pattern.test(line)));
  assert(
    order[0] >= 0 && order[0] < order[1] && order[1] < order[2],
    told.join("\n"),
  );

  await jitsu.logged(/machine: www: Listening/); // its output may be late
  const lines = jitsu.log.length;
  for (let i = 0; i < 5; i++) await assertAnswers(jitsu);
  await jitsu.dig("www.test", { type: "MX" });
  await jitsu.dig("elsewhere.test");
  assertEquals(jitsu.log.slice(lines), []);
});

test("every line of a JSON log is JSON, the output of processes too", async () => {
  await using jitsu = await start(
    "--log-format=json",
    "--delay=0",
    `dns=www.test,ip=${IP},name=www,command=sh -c 'echo "{\\\\"a\\\\": 1}"; exec sleep 1000'`,
  );
  await assertAnswers(jitsu);
  await jitsu.logged(/"part":"machine"/);
  const records = jitsu.log.map((line) => JSON.parse(line));
  assertEquals(
    records.find(({ part }) => part === "machine").message,
    'www: {"a": 1}',
  );
  assert(
    records.some(({ message, ms }) => /started in/.test(message) && ms >= 0),
  );
});
