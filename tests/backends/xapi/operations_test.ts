import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import { until } from "../../until.ts";
import { machine, polling, test } from "./set_up.ts";

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
  await until(
    "waiting",
    () => log.some((line) => /^INFO www: .*clean_shutdown/.test(line)),
  );
  await theirs;
  // Its turn comes when there is nothing to suspend any more.
  assertStringIncludes(
    (await suspending).message,
    "cannot suspend www: it is halted, and would have to be running [VM_BAD_POWER_STATE]",
  );
  assertEquals(await www.start(), "started");
});

test("somebody else's operation that we have not seen is waited for as well", async (stage) => {
  const { fake, backend, log } = stage;
  fake.pool.taskTime = 300;
  const ref = fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  await polling(stage);
  let theirs = Promise.resolve("");
  fake.pool.db.mute(() => {
    theirs = fake.pool.operate("pause", [ref], "OpaqueRef:theirs");
  });
  const suspending = assertRejects(() => www.suspend(), BackendError);
  await until("waiting", () =>
    log.includes(
      "INFO www: another operation on it is under way (pause) [OTHER_OPERATION_IN_PROGRESS]",
    ));
  await theirs;
  assertStringIncludes((await suspending).message, "it is paused");
});

test("what somebody else does to a VM is not broken off by a hard shutdown, which XAPI would let us", async ({ fake, backend }) => {
  fake.pool.taskTime = 300;
  const ref = fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  const theirs = fake.pool.operate("suspend", [ref], "OpaqueRef:theirs");
  await www.destroy();
  await theirs; // was not cancelled
  assertEquals(fake.pool.operations, ["suspend www", "hard_shutdown www"]);
  assertEquals(fake.pool.vm(ref).power_state, "Halted");
});

test("a VM that is in between for somebody else's doing is not started from there", async ({ fake, backend, log }) => {
  // As a checkpoint leaves one that runs: suspended for a moment, and running again when it is over.
  const ref = fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  fake.pool.db.update("VM", ref, {
    current_operations: { "OpaqueRef:theirs": "checkpoint" },
    power_state: "Suspended",
  });
  await until("seen", async () => await www.state() === "suspended");
  const starting = www.start();
  await until(
    "waiting",
    () =>
      log.some((line) => /^INFO www: somebody else's checkpoint/.test(line)),
  );
  fake.pool.db.update("VM", ref, {
    current_operations: {},
    power_state: "Running",
  });
  assertEquals(await starting, "found running");
  assertEquals(fake.pool.operations, []);
});

test("a VM that runs is not taken for one that stays so while somebody else shuts it down", async (stage) => {
  const { fake, backend } = stage;
  fake.pool.taskTime = 200;
  const ref = fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  await polling(stage);
  const theirs = fake.pool.operate("clean_shutdown", [ref], "OpaqueRef:them");
  await polling(stage); // has seen it
  assertEquals(await www.start(), "started");
  await theirs;
  assertEquals(fake.pool.operations, ["clean_shutdown www", "start www"]);
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

test("a task that fails on a VM that others have brought to run is a start all the same", async ({ fake, backend }) => {
  fake.pool.taskTime = 200;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  fake.pool.failNext("start", "INTERNAL_ERROR", "lost a race");
  const starting = www.start();
  await until("under way", () => fake.count("Async.VM.start") === 1);
  fake.pool.become(ref, "Running");
  assertEquals(await starting, "started");
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
  await until("seen", () => fake.count("event.from") > polls);
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
