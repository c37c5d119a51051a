/**
 * The whole story with the XAPI backend: the real program, the real dig, and a fake pool that is held to real ones
 * (tests/backends/xapi/).
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { hasOpenssl, selfSigned } from "../backends/xapi/certificates.ts";
import type { Fault } from "../backends/xapi/fake/faults.ts";
import { FakeXapi, PASSWORD } from "../backends/xapi/fake/server.ts";
import { withFile } from "../backends/xapi/set_up.ts";
import { until } from "../until.ts";
import { canDig, type DigResult, Jitsu } from "./harness.ts";

const IP = "10.0.0.80";
const UUID = "92d00a04-6696-1517-5ba9-59cca3407c28";

interface Stage {
  fake: FakeXapi;
  /** A VM called www. */
  www: string;
  /** Starts the program for that VM, with more keys and options. */
  start(keys?: string, ...options: string[]): Promise<Jitsu>;
  /** What the program says instead of starting, and its exit code. */
  refusal(keys?: string, ...options: string[]): Promise<string>;
}

function test(
  name: string,
  run: (stage: Stage) => Promise<void>,
  { ignore = false, ...options }: Parameters<typeof FakeXapi.start>[0] & {
    ignore?: boolean;
  } = {},
): void {
  Deno.test({
    name,
    ignore: !canDig || ignore,
    async fn() {
      await using fake = await FakeXapi.start(options);
      const www = fake.pool.addVm({ name: "www", uuid: UUID });
      await withFile(`${PASSWORD}\n`, async (path) => {
        const start = (keys = "name=www", ...options: string[]) => {
          const connect = options.some((each) => each.startsWith("--connect"))
            ? []
            : [`--connect=${fake.url}`];
          return Jitsu.start(
            ...["--backend=xapi", "--forwarder=0.0.0.0", "--delay=0"],
            ...["--log-level=debug", `--xapi-password-file=${path}`],
            ...[...connect, ...options, `dns=www.test,ip=${IP},${keys}`],
          );
        };
        const refusal = async (keys?: string, ...options: string[]) => {
          const error = await assertRejects(
            () =>
              start(keys, ...options).then((each) =>
                each[Symbol.asyncDispose]()
              ),
            Error,
          );
          return error.message;
        };
        await run({ fake, www, start, refusal });
      });
    },
  });
}

/** Asks for the name, which must be answered with the address. */
async function assertAnswers(jitsu: Jitsu): Promise<void> {
  const { status, answers, text } = await jitsu.dig("www.test");
  assertEquals(
    [status, answers.map(({ data }) => data)],
    ["NOERROR", [IP]],
    text,
  );
}

/** Asks for the name, which must be refused in words. */
async function assertRefuses(jitsu: Jitsu, words: string): Promise<DigResult> {
  const result = await jitsu.dig("www.test");
  assertEquals(result.status, "SERVFAIL", result.text);
  assertStringIncludes(result.ede.map(({ text }) => text).join(), words);
  return result;
}

test("a query starts the VM, and the answer comes when the pool has it running", async ({ fake, www, start }) => {
  fake.pool.taskTime = 500;
  await using jitsu = await start();
  const cold = jitsu.dig("www.TEST");
  await until("starting", () => fake.pool.operations.length > 0);
  let answered = false;
  const answer = cold.then((result) => {
    answered = true;
    assertEquals(fake.pool.vm(www).power_state, "Running");
    return result;
  });
  assert(!answered);
  const { status, flags, answers } = await answer;
  assertEquals(status, "NOERROR");
  assert(flags.includes("aa"));
  assertEquals(answers, [{ name: "www.TEST.", ttl: 60, type: "A", data: IP }]);

  await Promise.all(Array.from({ length: 5 }, () => assertAnswers(jitsu)));
  assertEquals(fake.pool.operations, ["start www"]);
  assertEquals(fake.count("Async.VM.start"), 1);
  assertEquals((await jitsu.stop()).code, 0);
  assertEquals(fake.pool.vm(www).power_state, "Running");
  assertEquals(fake.sessions, 0);
});

for (
  const [mode, stop, state, again] of [
    ["destroy", "hard_shutdown", "Halted", "start"],
    ["shutdown", "clean_shutdown", "Halted", "start"],
    ["suspend", "suspend", "Suspended", "resume"],
  ] as const
) {
  test(`a VM that nobody asks for is stopped (${mode}) and summoned again`, async ({ fake, www, start }) => {
    await using jitsu = await start(`uuid=${UUID},ttl=1,mode=${mode}`);
    await assertAnswers(jitsu);
    await until(state, () => fake.pool.vm(www).power_state === state);
    await assertAnswers(jitsu);
    assertEquals(fake.pool.operations, [
      "start www",
      `${stop} www`,
      `${again} www`,
    ]);
  });
}

test("a guest that does not shut down is destroyed after its time", async ({ fake, start }) => {
  fake.pool.guest("www").shutdown = "ignores";
  await using jitsu = await start(
    "name=www,ttl=1,mode=shutdown,shutdown_timeout=0.5",
  );
  await assertAnswers(jitsu);
  await jitsu.logged(/www: did not shut down within 0\.50 s, destroying it/);
  await jitsu.logged(/www: off after/);
  assertEquals(fake.pool.operations, [
    "start www",
    "clean_shutdown www",
    "hard_shutdown www",
  ]);
});

test("a guest that cannot be asked to shut down keeps running, and the log says to use mode=destroy", async ({ fake, start }) => {
  fake.pool.guest("www").shutdown = "cannot be asked";
  await using jitsu = await start("name=www,ttl=1,mode=shutdown");
  await assertAnswers(jitsu);
  await jitsu.logged(/ERROR .*use mode=destroy \[VM_LACKS_FEATURE\]/);
  await assertAnswers(jitsu);
});

test("what others do to a VM is seen", async ({ fake, www, start }) => {
  await using jitsu = await start();
  fake.pool.become(www, "Running");
  await jitsu.logged(/www: running \(the pool has it Running\)/);
  await assertAnswers(jitsu);
  assertEquals(fake.pool.operations, []);
  fake.pool.become(www, "Halted");
  await jitsu.logged(/www: off \(the pool has it Halted\)/);
  await assertAnswers(jitsu);
  assertEquals(fake.pool.operations, ["start www"]);
});

test("a VM that Jitsu starts is marked as its own, and no other Jitsu stops it while it is in use there", async ({ fake, www, start }) => {
  await using jitsu = await start("name=www");
  await assertAnswers(jitsu);
  const key = "XenCenter.CustomFields.jitsu";
  const mark = () =>
    (fake.pool.vm(www).other_config as Record<string, string>)[key] ?? "";
  await until("marked", () => /^\d+@\d+ started=\w+;asked=/.test(mark()));
  await using other = await start("name=www,ttl=1,adopt=stop");
  await other.logged(/www: in use at another Jitsu for /);
  assertEquals(fake.pool.operations, ["start www"]);
});

test("a VM that runs when Jitsu starts is ready at once", async ({ fake, www, start }) => {
  fake.pool.become(www, "Running");
  await using jitsu = await start();
  await assertAnswers(jitsu);
  assertEquals(fake.pool.operations, []);
});

test("a VM that somebody starts unseen is no failure", async ({ fake, www, start }) => {
  await using jitsu = await start();
  fake.pool.db.mute(() => fake.pool.become(www, "Running"));
  await assertAnswers(jitsu);
  assertEquals(fake.pool.operations, []);
});

test("a task that fails is SERVFAIL in words, and is tried again later", async ({ fake, start }) => {
  fake.pool.failNext("start", "NO_HOSTS_AVAILABLE");
  await using jitsu = await start();
  await assertRefuses(jitsu, "no host of the pool can run it now");
  await until(
    "answered",
    async () => (await jitsu.dig("www.test")).status === "NOERROR",
  );
});

test(
  "faults of the session and of events cost no answer and no event",
  async ({ fake, www, start }) => {
    await using jitsu = await start(
      "name=www",
      `--connect=http://127.0.0.2:${fake.port}/`,
    );
    const spoil: [string, () => void][] = [
      ["a session that is over", () => fake.endSessions()],
      ["another master", () => fake.elect(1)],
      ["lost events", () => fake.loseEvents()],
      ["a poll cut off", () => {
        fake.fault("event.from", { kind: "cut" });
        fake.pool.db.update("VM", www, {});
      }],
      ["HTML instead of events", () => {
        fake.fault("event.from", {
          kind: "body",
          body: "<html>503",
          status: 503,
        });
        fake.pool.db.update("VM", www, {});
      }],
      ["a call cut off", () => fake.fault("Async.VM.start", { kind: "cut" })],
    ];
    // The call cut off is the one that starts a VM that is off.
    const isBeforeStart = (what: string) => what === spoil.at(-2)![0];
    for (const [what, fault] of spoil) {
      fault();
      await assertAnswers(jitsu);
      const news = jitsu.log.length;
      // Not off each time, which would be a crash loop.
      fake.pool.become(www, isBeforeStart(what) ? "Halted" : "Suspended");
      await jitsu.logged(/www: (off|suspended) \(/, news).catch((error) => {
        throw new Error(`${what}: ${error.message}`);
      });
      assertEquals(fake.faults, 0, what);
    }
  },
  { hosts: 2 },
);

test("while the pool is away, what is ready is answered and what is not is refused in words", async ({ fake, www, start }) => {
  fake.pool.addVm({ name: "cold" });
  await using jitsu = await start(
    "name=www",
    `dns=cold.test,ip=${IP},name=cold`,
  );
  await assertAnswers(jitsu);
  await fake.down(0);
  await jitsu.logged(/WARN .*the pool is lost: XAPI at .*Connection refused/);
  await assertAnswers(jitsu);
  const refused = await jitsu.dig("cold.test");
  assertEquals(refused.status, "SERVFAIL");
  assertStringIncludes(refused.ede[0].text, "Connection refused");
  fake.pool.become(www, "Halted");
  fake.up(0);
  await jitsu.logged(/is reached again after/);
  await jitsu.logged(/www: off \(the pool has it Halted\)/);
  await assertAnswers(jitsu);
  await until(
    "answered",
    async () => (await jitsu.dig("cold.test")).status === "NOERROR",
  );
});

test("with wait_for_ip the answer waits until the guest's agent reports an address", async ({ fake, www, start }) => {
  await using jitsu = await start("name=www,wait_for_ip=1,wait_timeout=60");
  const answer = jitsu.dig("www.test");
  await jitsu.logged(/waiting for IP address from its guest's agent/);
  fake.pool.report(www, {});
  await until("followed", () => fake.count("VM_guest_metrics.get_record") > 0);
  fake.pool.report(www, { "0/ip": IP });
  const { status } = await answer;
  assertEquals(status, "NOERROR");
  await jitsu.logged(/www: its guest's agent reports 10\.0\.0\.80/);
});

test("with wait_for_ip and wait_required a guest without an agent is SERVFAIL", async ({ start }) => {
  await using jitsu = await start(
    "name=www,wait_for_ip=1,wait_timeout=0.5,wait_required=1",
  );
  await assertRefuses(jitsu, "no IP address from its guest's agent");
});

test("the pool that a database remembers is the only one that is served", async ({ fake, start, refusal }) => {
  const dir = await Deno.makeTempDir();
  try {
    const database = `--persistdb=${dir}/db`;
    const first = await start("name=www", database);
    await first.stop();
    await fake.down(0);
    // The master came back as a pool of its own, with a VM of that name.
    await using other = await FakeXapi.start({ port: fake.port });
    other.pool.addVm({ name: "www" });
    const message = await refusal("name=www", database);
    assertStringIncludes(message, "is that of another pool");
    assertEquals(other.pool.operations, []);

    const [, uuid] = /--xapi-pool (\S+)/.exec(message)!;
    const chosen = `--xapi-pool=${uuid}`;
    await using second = await start("name=www", database, chosen);
    await assertAnswers(second);
    assertEquals(other.pool.operations, ["start www"]);
    await second.stop();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

test("wait_for_key is refused with the reason", async ({ refusal, fake }) => {
  const message = await refusal("name=www,wait_for_key=data/ip");
  assertStringIncludes(
    message,
    "wait_for_key is of no use with xapi: its VMs run on any host of the pool",
  );
  assertEquals(fake.calls, []);
});

test("a name that two VMs have, and one that none has, keep Jitsu from starting", async ({ fake, refusal }) => {
  const other = crypto.randomUUID();
  fake.pool.addVm({ name: "www", uuid: other });
  const two = await refusal();
  assertStringIncludes(two, 'the pool has 2 VMs called "www"');
  assertStringIncludes(two, `uuid=${UUID} (Halted) or uuid=${other} (Halted)`);
  assertStringIncludes(await refusal("name=wwv"), '(did you mean "www"?)');
});

for (
  const [what, fault, words] of [
    [
      "HTML",
      { kind: "body", body: "<html><h1>It works!</h1></html>" },
      'is this a host of a pool?): "It works!"',
    ],
    [
      "an XML bomb",
      {
        kind: "body",
        body:
          '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><a>&b;</a>',
      },
      "there is <!DOCTYPE",
    ],
    ["half a reply", { kind: "cut" }, "it was cut off"],
    [
      "no reply",
      { kind: "hang" },
      "no reply to session.login_with_password within 10 s",
    ],
    ["no for the password", {
      kind: "error",
      description: ["SESSION_AUTHENTICATION_FAILED", "root", "no"],
    }, "the user name or the password is wrong"],
  ] as [string, Fault, string][]
) {
  test(`a host that answers ${what} keeps Jitsu from starting, which says so`, async ({ fake, refusal }) => {
    fake.fault("session.login_with_password", fault);
    assertStringIncludes(await refusal(), words);
  });
}

test("the password is in no log and in no list of processes", async ({ start }) => {
  await using jitsu = await start();
  await assertAnswers(jitsu);
  const words = await Deno.readTextFile(`/proc/${jitsu.pid}/cmdline`);
  assert(!words.includes(PASSWORD));
  await jitsu.stop();
  assert(jitsu.log.length > 5);
  assert(!jitsu.log.some((line) => line.includes(PASSWORD)));
});

test("a pool that hangs does not keep Jitsu from stopping", async ({ fake, start }) => {
  await using jitsu = await start();
  fake.fault("Async.VM.start", { kind: "hang" });
  fake.fault("session.logout", { kind: "hang" });
  const refused = jitsu.dig("www.test");
  await until("hanging", () => fake.count("Async.VM.start") === 1);
  assertEquals((await jitsu.stop()).code, 0);
  assertEquals((await refused).status, "SERVFAIL");
});

const tls = hasOpenssl ? await selfSigned("IP:127.0.0.1") : undefined;
test(
  "a pool with a certificate of its own is served when --xapi-ca names that, and only then",
  async ({ fake, start, refusal }) => {
    assertStringIncludes(await refusal(), "name it with --xapi-ca FILE");
    assertEquals(fake.calls, []);
    await withFile(tls!.cert, async (path) => {
      await using jitsu = await start("name=www", `--xapi-ca=${path}`);
      await assertAnswers(jitsu);
    });
    await using jitsu = await start("name=www", "--xapi-insecure");
    await jitsu.logged(/WARN .*NOBODY CHECKS/);
    await assertAnswers(jitsu);
  },
  { tls, ignore: tls === undefined },
);
