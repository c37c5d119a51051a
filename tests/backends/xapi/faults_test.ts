import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  BackendError,
  type MachineState,
} from "../../../src/backends/backend.ts";
import { until } from "../../until.ts";
import { FakeXapi, PASSWORD } from "./fake/server.ts";
import { collectLog, machine, open, type Stage, test } from "./set_up.ts";

/** A poll is on its way, so that the next events come by the one after it. */
async function polling({ fake }: Stage): Promise<void> {
  const polls = fake.count("event.from");
  await until("polling", () => fake.count("event.from") > polls);
}

/** What `open` is refused with. */
async function refusal(connect: string, password?: string): Promise<string> {
  return (await assertRejects(() => open(connect, {}, password), BackendError))
    .message;
}

/** Brings a VM into another state and waits until that is told. */
async function seen(
  { fake, backend }: Stage,
  name: string,
): Promise<void> {
  const [ref] = fake.pool.db.entries("VM").find(([, vm]) =>
    vm.name_label === name
  )!;
  const each = await machine(backend, name);
  const told = Promise.withResolvers<MachineState>();
  each.onStateChange = told.resolve;
  fake.pool.become(ref, "Paused");
  assertEquals(await told.promise, "paused");
}

Deno.test("a host that is not the master sends us to the one that is", async () => {
  collectLog();
  await using fake = await FakeXapi.start({ hosts: 3 });
  const backend = await open(`http://127.0.0.3:${fake.port}`);
  assertEquals(
    fake.calls.filter(({ method }) => method.startsWith("session"))
      .map(({ host }) => host),
    ["127.0.0.3", "127.0.0.1"],
  );
  fake.pool.addVm({ name: "www" });
  assertEquals(await (await machine(backend, "www")).start(), "started");
  await backend.close();
});

test(
  "when another host becomes the master, it is found and what happened is seen",
  async (stage) => {
    const { fake, backend } = stage;
    const ref = fake.pool.addVm({ name: "www" });
    const www = await machine(backend, "www");
    await polling(stage);
    const told = Promise.withResolvers<MachineState>();
    www.onStateChange = told.resolve;
    fake.elect(1);
    fake.pool.become(ref, "Running");
    assertEquals(await told.promise, "running");
    await www.destroy();
    assertEquals(fake.calls.at(-1)!.host, "127.0.0.2");
  },
  { hosts: 2 },
);

test(
  "when the master dies, the pool's other hosts are tried until one is the master",
  async (stage) => {
    const { fake, backend, log } = stage;
    fake.pool.addVm({ name: "www" });
    const www = await machine(backend, "www");
    await fake.down(0);
    const { message } = await assertRejects(() => www.start(), BackendError);
    assertStringIncludes(message, "Connection refused");
    assertStringIncludes(message, "not the master of its pool");
    fake.elect(2);
    await until("started", async () => {
      try {
        return await www.start() === "started";
      } catch (error) {
        if (error instanceof BackendError) return false;
        throw error;
      }
    });
    const count = (pattern: RegExp) =>
      log.filter((line) => pattern.test(line)).length;
    assertEquals(count(/^WARN the pool is lost: /), 1);
    assertEquals(
      count(
        /^INFO XAPI at http:\/\/127\.0\.0\.3:\d+\/ is reached again after /,
      ),
      1,
    );
  },
  { hosts: 3 },
);

test("a pool that cannot be reached is told at once, and its states are not guessed", async (stage) => {
  const { fake, backend, log } = stage;
  fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await fake.down(0);
  await until(
    "lost",
    () => log.some((line) => line.startsWith("WARN the pool is lost")),
  );
  const { message } = await assertRejects(() => www.state(), BackendError);
  assertStringIncludes(message, "cannot read the state of www: XAPI at ");
  fake.up(0);
  assertEquals(await www.state(), "off"); // without waiting for its next turn
});

test("a session that is over is opened again, once for all calls", async ({ fake, backend }) => {
  for (const name of ["a", "b", "c"]) fake.pool.addVm({ name });
  const machines = await Promise.all(
    ["a", "b", "c"].map((name) => machine(backend, name)),
  );
  const before = fake.count("session.login_with_password");
  fake.endSessions();
  await Promise.all(machines.map((each) => each.start()));
  for (const each of machines) assertEquals(await each.state(), "running");
  assertEquals(fake.count("session.login_with_password"), before + 1);
  assertEquals(fake.pool.operations.toSorted(), [
    "start a",
    "start b",
    "start c",
  ]);
});

test("a session that ends while we wait for events is opened again, and nothing is missed", async (stage) => {
  const { fake, backend } = stage;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await polling(stage);
  const told = Promise.withResolvers<MachineState>();
  www.onStateChange = told.resolve;
  fake.endSessions();
  fake.pool.become(ref, "Running");
  assertEquals(await told.promise, "running");
});

test("a session that is never valid is an error, not a loop", async ({ fake, backend }) => {
  fake.pool.addVm({ name: "www" });
  const description = ["SESSION_INVALID", "x"];
  fake.fault("VM.get_by_name_label", { kind: "error", description }, 2);
  const { message } = await assertRejects(
    () => machine(backend, "www"),
    BackendError,
  );
  assertStringIncludes(message, "the session is over [SESSION_INVALID]");
  assertEquals(fake.count("VM.get_by_name_label"), 2);
});

test("when events are lost, everything is read anew", async (stage) => {
  const { fake, backend, log } = stage;
  fake.pool.addVm({ name: "other" });
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await polling(stage);
  const told = Promise.withResolvers<MachineState>();
  www.onStateChange = told.resolve;
  fake.fault("event.from", { kind: "error", description: ["EVENTS_LOST"] });
  fake.pool.db.mute(() => fake.pool.become(ref, "Running"));
  await seen(stage, "other"); // which ends the poll under way
  assertEquals(await told.promise, "running");
  await until(
    "told",
    () => log.some((line) => line.includes("[EVENTS_LOST]; reading anew")),
  );
});

test("a poll whose reply is cut off, or another text, is made again", async (stage) => {
  const { fake, backend } = stage;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await polling(stage);
  for (
    const [fault, state] of [
      [{ kind: "cut" }, "Running"],
      [
        { kind: "body", body: "<html>Bad Gateway</html>", status: 502 },
        "Paused",
      ],
      [{ kind: "body", body: "<methodResponse><params>" }, "Running"],
      [
        { kind: "body", body: "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>" },
        "Halted",
      ],
    ] as const
  ) {
    const told = Promise.withResolvers<MachineState>();
    www.onStateChange = told.resolve;
    fake.fault("event.from", fault);
    fake.pool.become(ref, state); // ends the poll under way; its reply is good
    await told.promise;
    await until("spoiled", () => fake.faults === 0);
  }
  await seen(stage, "www").catch(() => {});
  assertEquals(await www.state(), "paused");
});

test("a start whose reply is cut off is made once", async ({ fake, backend }) => {
  fake.pool.taskTime = 100;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  fake.fault("Async.VM.start", { kind: "cut" });
  assertEquals(await www.start(), "started");
  assertEquals(fake.pool.vm(ref).power_state, "Running");
  assertEquals(fake.pool.operations, ["start www"]);
});

test("a VM that runs already, although we have not seen that yet, is started", async (stage) => {
  const { fake, backend } = stage;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await polling(stage);
  fake.pool.db.mute(() => fake.pool.become(ref, "Running"));
  assertEquals(await www.state(), "off");
  assertEquals(await www.start(), "started");
  assertEquals(await www.state(), "running");
  assertEquals(fake.pool.operations, []);
});

test("a VM that is in another state than we have seen is started from that one", async (stage) => {
  const { fake, backend } = stage;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await polling(stage);
  fake.pool.db.mute(() => fake.pool.become(ref, "Suspended"));
  assertEquals(await www.start(), "resumed");
  assertEquals(fake.pool.operations, ["resume www"]);
});

test("somebody else's operation on a VM is waited for", async ({ fake, backend, log }) => {
  fake.pool.taskTime = 300;
  const ref = fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  const theirs = fake.pool.operate("clean_shutdown", [ref], "OpaqueRef:theirs");
  const suspending = assertRejects(() => www.suspend(), BackendError);
  await until("waiting", () =>
    log.includes(
      "INFO www: another operation on it is under way (clean_shutdown) [OTHER_OPERATION_IN_PROGRESS]",
    ));
  await theirs;
  // Its turn comes when there is nothing to suspend any more.
  assertStringIncludes(
    (await suspending).message,
    "cannot suspend www: it is halted, and would have to be running [VM_BAD_POWER_STATE]",
  );
  assertEquals(await www.start(), "started");
});

test("a task that fails is told in words, with the code", async ({ fake, backend }) => {
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  for (
    const [description, words] of [
      [["NO_HOSTS_AVAILABLE"], "no host of the pool can run it now"],
      [
        ["HOST_NOT_ENOUGH_FREE_MEMORY", "1073741824", "1000"],
        "(1024 MiB needed, 1 MiB there)",
      ],
      [
        ["SR_BACKEND_FAILURE_46", "", "VDI\nlocked", "opterr=x"],
        "its storage did not work",
      ],
      [["SOMETHING_NEW", "a", "b"], "XAPI refused: a, b"],
      [["SOMETHING_ELSE"], "XAPI refused"],
    ]
  ) {
    fake.pool.failNext("start", ...description as string[]);
    const { message } = await assertRejects(() => www.start(), BackendError);
    assert(message.startsWith("cannot start www: "), message);
    assertStringIncludes(message, words as string);
    assert(message.endsWith(` [${description[0]}]`), message);
    assert(!message.includes("\n"));
    assertEquals(await www.state(), "off");
  }
  await until(
    "no task is left",
    () => fake.pool.db.entries("task").length === 0,
  );
  assertEquals(fake.pool.vm(ref).power_state, "Halted");
});

test("a task that somebody cancels, or removes, is told", async ({ fake, backend }) => {
  fake.pool.taskTime = 60_000;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  const cancelled = assertRejects(() => www.start(), BackendError);
  await until("started", () => fake.pool.operations.length === 1);
  fake.pool.cancel(ref);
  assertStringIncludes(
    (await cancelled).message,
    "somebody cancelled it [TASK_CANCELLED]",
  );
  const removed = assertRejects(() => www.start(), BackendError);
  await until("started", () => fake.pool.operations.length === 2);
  await until("followed", () => fake.count("task.get_record") >= 2);
  const [task] = fake.pool.db.entries("task").at(-1)!;
  const polls = fake.count("event.from");
  fake.pool.db.update("task", task, { progress: 0.1 });
  await until("seen", () => fake.count("event.from") > polls + 1);
  fake.pool.db.remove("task", task);
  assertStringIncludes(
    (await removed).message,
    "somebody removed the task of VM.start",
  );
});

test("a VM whose record is late behind its task is waited for", async ({ fake, backend }) => {
  fake.pool.lateRecords = true;
  fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  assertEquals(await www.start(), "started");
  assertEquals(await www.state(), "running");
});

test("a VM that is off again when its start has succeeded is no success", async ({ fake, backend }) => {
  fake.pool.crashes = true;
  fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  const { message } = await assertRejects(() => www.start(), BackendError);
  assertStringIncludes(message, "VM.start succeeded, but the VM is Halted now");
});

test("the progress of a long task is in the log, a few times", async ({ fake, backend, log }) => {
  fake.pool.taskTime = 400;
  fake.pool.addVm({ name: "www" });
  await (await machine(backend, "www")).start();
  const progress = log.filter((line) => / is at \d+ %$/.test(line));
  assert(progress.length >= 1 && progress.length <= 3, progress.join("\n"));
  assert(progress.every((line) => line.startsWith("DEBUG www: VM.start ")));
});

Deno.test("a wrong password is told with the user, without the password", async () => {
  collectLog();
  await using fake = await FakeXapi.start();
  const message = await refusal(fake.url, "wrong-password");
  assertStringIncludes(
    message,
    " as root: the user name or the password is wrong",
  );
  assertStringIncludes(message, "[SESSION_AUTHENTICATION_FAILED]");
  assert(!message.includes("wrong-password"));
});

Deno.test("what is no XAPI is told with what came instead", async () => {
  collectLog();
  await using fake = await FakeXapi.start();
  for (
    const [fault, words] of [
      [
        {
          kind: "body",
          body:
            "<!DOCTYPE html><html><title>Welcome</title><p>to nginx!</html>",
        },
        'not XAPI\'s (is this a host of a pool?): "Welcome to nginx!"',
      ],
      [
        { kind: "body", body: "<h1>Forbidden</h1>", status: 403 },
        'HTTP status 403: "Forbidden"',
      ],
      [{
        kind: "body",
        body:
          "<methodResponse><params><param><value>1</value></param></params></methodResponse>",
      }, "not XAPI's"],
      [
        { kind: "body", body: "x".repeat(9 * 2 ** 20) },
        "the reply has more than 8388608 octets",
      ],
      [
        { kind: "body", body: "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>" },
        "there is <!DOCTYPE",
      ],
      [
        { kind: "redirect", location: "https://xs1/" },
        'it sends us to "https://xs1/": name that in --connect',
      ],
      [{ kind: "cut" }, "it was cut off"],
    ] as const
  ) {
    fake.fault("session.login_with_password", fault);
    assertStringIncludes(await refusal(fake.url), words);
  }
});

Deno.test("what is refused because of who we are is told", async () => {
  collectLog();
  await using fake = await FakeXapi.start();
  const description = ["RBAC_PERMISSION_DENIED", "event.inject", "no"];
  fake.fault("event.inject", { kind: "error", description });
  assertStringIncludes(
    await refusal(fake.url),
    "vm-operator or more [RBAC_PERMISSION_DENIED]",
  );
  assertEquals(fake.sessions, 0);
});

Deno.test("a pool that never answers is told after a while", async () => {
  collectLog();
  await using fake = await FakeXapi.start();
  fake.fault("session.login_with_password", { kind: "hang" });
  assertStringIncludes(
    await refusal(fake.url),
    "no reply to session.login_with_password within 10 s",
  );
});

test("a call that is never answered is given up", async ({ fake, backend }) => {
  fake.pool.addVm({ name: "www" });
  fake.fault("VM.get_by_name_label", { kind: "hang" });
  const { message } = await assertRejects(
    () => machine(backend, "www"),
    BackendError,
  );
  assertStringIncludes(message, "no reply to VM.get_by_name_label within 10 s");
  assertEquals(await (await machine(backend, "www")).state(), "off");
});

Deno.test("closing ends at once, whatever hangs", async () => {
  collectLog();
  await using fake = await FakeXapi.start();
  fake.pool.addVm({ name: "www" });
  const backend = await open(fake.url);
  const www = await machine(backend, "www");
  fake.fault("VIF.get_record", { kind: "hang" });
  fake.fault("Async.VM.start", { kind: "hang" });
  const starting = assertRejects(() => www.start(), BackendError);
  await until("hanging", () => fake.count("Async.VM.start") === 1);
  await backend.close();
  assertStringIncludes((await starting).message, "is closed");
});

test("neither log nor error ever has the password or the session", async ({ fake, backend, log }) => {
  fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  const session = String(fake.calls.at(-1)!.params[0]);
  const echo = `<p>${PASSWORD.replaceAll("<", "&lt;")} ${PASSWORD} ${session}`;
  fake.fault("Async.VM.start", { kind: "body", body: echo, status: 500 }, 20);
  const failed = await assertRejects(() => www.start(), BackendError);
  assertStringIncludes(failed.message, "***");
  const description = ["INTERNAL_ERROR", `${PASSWORD} ${session}`];
  fake.fault("VIF.get_record", { kind: "error", description });
  fake.pool.addVm({ name: "net", macs: ["0a:00:00:00:00:01"] });
  const net = await machine(backend, "net");
  const echoed = await assertRejects(() => net.macAddresses(), BackendError);
  for (const text of [failed.message, echoed.message, ...log]) {
    assert(!text.includes(PASSWORD), text);
    assert(!text.includes(session), text);
  }
});
