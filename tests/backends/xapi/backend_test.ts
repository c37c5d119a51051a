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
import { collectLog } from "../../collect_log.ts";
import { until } from "../../until.ts";
import { machine, open, polling, test } from "./set_up.ts";
import { FakeXapi } from "./fake/server.ts";
import type { Struct } from "./fake/wire.ts";

Deno.test("the pool sees one session of ours, and none after us", async () => {
  collectLog("backend");
  await using fake = await FakeXapi.start();
  const backend = await open(fake.url);
  assertEquals(fake.sessions, 1);
  assertEquals(fake.calls[0].params.slice(2), ["1.0", "jitsu"]);
  await backend.close();
  assertEquals(fake.sessions, 0);
});

test("a VM is found by its name, and known by its UUID", async ({ fake, backend }) => {
  const ref = fake.pool.addVm({ name: "a <b> & c", state: "Running" });
  const www = await machine(backend, "a <b> & c");
  assertEquals(www.id, String(fake.pool.vm(ref).uuid));
  assertEquals(await www.state(), "running");
});

test("a VM is found by its UUID, whatever its name", async ({ fake, backend }) => {
  const uuid = crypto.randomUUID();
  fake.pool.addVm({ name: "www", uuid });
  fake.pool.addVm({ name: "www" });
  assertEquals((await machine(backend, "other", { uuid })).id, uuid);
});

test("XAPI's power states are our states", async ({ fake, backend }) => {
  for (
    const [powerState, state] of [
      ["Halted", "off"],
      ["Running", "running"],
      ["Paused", "paused"],
      ["Suspended", "suspended"],
    ] as const
  ) {
    fake.pool.addVm({ name: powerState, state: powerState });
    assertEquals(await (await machine(backend, powerState)).state(), state);
  }
});

test("a VM is started, and its events tell the states it goes through", async ({ fake, backend }) => {
  fake.pool.taskTime = 40;
  fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  const told: [MachineState, string][] = [];
  www.onStateChange = (state, reason) => told.push([state, reason]);
  assertEquals(await www.start(), "started");
  assertEquals(await www.state(), "running");
  assertEquals(told, [["running", "the pool has it Running"]]);
  assertEquals(fake.pool.operations, ["start www"]);
  await until(
    "no task is left",
    () => fake.pool.db.entries("task").length === 0,
  );
});

test("whatever state a VM is in, it can be brought to run", async ({ fake, backend }) => {
  for (
    const [powerState, action, operation] of [
      ["Halted", "started", "start"],
      ["Paused", "unpaused", "unpause"],
      ["Suspended", "resumed", "resume"],
      ["Running", "found running", undefined],
    ] as const
  ) {
    fake.pool.operations.length = 0;
    fake.pool.addVm({ name: powerState, state: powerState });
    const each = await machine(backend, powerState);
    assertEquals(await each.start(), action);
    assertEquals(await each.state(), "running");
    assertEquals(
      fake.pool.operations,
      operation ? [`${operation} ${powerState}`] : [],
    );
  }
});

test("destroy is a hard shutdown from any state, and the VM is kept", async ({ fake, backend }) => {
  for (const state of ["Running", "Paused", "Suspended", "Halted"] as const) {
    const ref = fake.pool.addVm({ name: state, state });
    const each = await machine(backend, state);
    await each.destroy();
    assertEquals(await each.state(), "off");
    assertEquals(fake.pool.vm(ref).power_state, "Halted");
  }
  assertEquals(fake.count("Async.VM.hard_shutdown"), 3);
  assertEquals(fake.count("Async.VM.destroy"), 0);
});

test("a guest is asked to shut down, and its going off is told later", async ({ fake, backend }) => {
  fake.pool.taskTime = 300;
  fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  const off = Promise.withResolvers<MachineState>();
  www.onStateChange = (state) => off.resolve(state);
  await www.shutdown();
  assertEquals(await www.state(), "running");
  assertEquals(await off.promise, "off");
  await www.shutdown(); // of one that is off already
});

test("a guest that does not shut down is destroyed when that is asked for", async ({ fake, backend, log }) => {
  fake.pool.addVm({ name: "www", state: "Running", shutdown: "ignores" });
  const www = await machine(backend, "www");
  await www.shutdown();
  await www.destroy();
  assertEquals(await www.state(), "off");
  await until(
    "ended",
    () => log.some((line) => line.startsWith("DEBUG www: VM.clean_shutdown: ")),
  );
  assert(!log.some((line) => line.startsWith("WARN www")));
});

test("a guest that cannot be asked to shut down says to use mode=destroy", async ({ fake, backend }) => {
  fake.pool.addVm({
    name: "www",
    state: "Running",
    shutdown: "cannot be asked",
  });
  const www = await machine(backend, "www");
  const { message } = await assertRejects(() => www.shutdown(), BackendError);
  assertStringIncludes(
    message,
    "cannot shut down www: its guest cannot be asked",
  );
  assertStringIncludes(message, "use mode=destroy [VM_LACKS_FEATURE]");
});

test("what an admin does to a VM is told", async ({ fake, backend }) => {
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  const told: MachineState[] = [];
  www.onStateChange = (state) => told.push(state);
  for (const state of ["Running", "Paused", "Suspended", "Halted"] as const) {
    const before = told.length;
    fake.pool.become(ref, state);
    await until(state, () => told.length > before);
  }
  assertEquals(told, ["running", "paused", "suspended", "off"]);
});

test("events of other VMs, and changes that are none, tell nothing", async ({ fake, backend }) => {
  const ref = fake.pool.addVm({ name: "www" });
  const other = fake.pool.addVm({ name: "other" });
  const www = await machine(backend, "www");
  let told = 0;
  www.onStateChange = () => told++;
  fake.pool.db.update("VM", ref, { name_description: "new" });
  fake.pool.become(other, "Running");
  fake.pool.become(ref, "Running");
  await until("told", () => told === 1);
});

test("the state is known without asking the pool", async ({ fake, backend }) => {
  fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await until("polling", () => fake.count("event.from") > 0);
  const calls = fake.calls.length;
  for (let i = 0; i < 10; i++) assertEquals(await www.state(), "off");
  assertEquals(fake.calls.length, calls);
});

test("MAC addresses come in the order of the interfaces", async ({ fake, backend }) => {
  const macs = ["0A:00:00:00:00:01", "0a:00:00:00:00:02", "0a:00:00:00:00:03"];
  fake.pool.addVm({ name: "www", macs });
  assertEquals(
    await (await machine(backend, "www")).macAddresses!(),
    macs.map((mac) => mac.toLowerCase()),
  );
});

test(
  "a VM is pinned to a host by that host's name or UUID",
  async ({ fake, backend }) => {
    const host = fake.hosts[1].ref;
    const uuid = String(fake.pool.db.get("host", host)!.uuid);
    for (const xapi_host of ["xs2", uuid]) {
      const ref = fake.pool.addVm({ name: xapi_host });
      const each = await machine(backend, xapi_host, { xapi_host });
      assertEquals(await each.start(), "started");
      assertEquals(fake.pool.vm(ref).resident_on, host);
      await each.suspend();
      assertEquals(await each.start(), "resumed");
      assertEquals(fake.pool.vm(ref).resident_on, host);
    }
  },
  { hosts: 2 },
);

test(
  "a host that the pool does not have is told with those it has",
  async ({ fake, backend }) => {
    fake.pool.addVm({ name: "www" });
    const byName = await assertRejects(
      () => machine(backend, "www", { xapi_host: "xs9" }),
      BackendError,
    );
    assertStringIncludes(
      byName.message,
      'no host called "xs9": it has xs1, xs2',
    );
    const uuid = crypto.randomUUID();
    const byUuid = await assertRejects(
      () => machine(backend, "www", { xapi_host: uuid }),
      BackendError,
    );
    assertStringIncludes(byUuid.message, `no host with the UUID ${uuid}`);
  },
  { hosts: 2 },
);

test("a name that no VM has is told with the nearest one", async ({ fake, backend }) => {
  fake.pool.addVm({ name: "mirage-www" });
  fake.pool.addVm({ name: "mirage-vvw", is: "a template" });
  const { message } = await assertRejects(
    () => machine(backend, "mirage-ww"),
    BackendError,
  );
  assertStringIncludes(
    message,
    'the pool has no VM called "mirage-ww" (did you mean "mirage-www"?)',
  );
});

test("a UUID that no VM has is told", async ({ backend }) => {
  const uuid = crypto.randomUUID();
  const { message } = await assertRejects(
    () => machine(backend, "www", { uuid }),
    BackendError,
  );
  assertStringIncludes(
    message,
    `cannot find www: the pool has no VM with the UUID ${uuid} [UUID_INVALID]`,
  );
});

test("a name that two VMs have is told with the UUID and state of each", async ({ fake, backend }) => {
  const uuids = [crypto.randomUUID(), crypto.randomUUID()];
  fake.pool.addVm({ name: "www", uuid: uuids[0] });
  fake.pool.addVm({ name: "www", uuid: uuids[1], state: "Running" });
  fake.pool.addVm({ name: "www", is: "a template" });
  const { message } = await assertRejects(
    () => machine(backend, "www"),
    BackendError,
  );
  assertStringIncludes(
    message,
    `2 VMs called "www", say which one it is instead: uuid=${
      uuids[0]
    } (Halted) or uuid=${uuids[1]} (Running)`,
  );
});

test("a VM is meant where templates, snapshots and control domains have its name", async ({ fake, backend }) => {
  const uuid = crypto.randomUUID();
  fake.pool.addVm({ name: "www", is: "a template" });
  fake.pool.addVm({ name: "www", uuid });
  fake.pool.addVm({ name: "www", is: "a snapshot" });
  fake.pool.addVm({ name: "www", is: "a control domain" });
  assertEquals((await machine(backend, "www")).id, uuid);
});

test("what is no VM cannot be meant", async ({ fake, backend }) => {
  for (const is of ["a template", "a snapshot", "a control domain"] as const) {
    fake.pool.addVm({ name: is, is });
    const { message } = await assertRejects(
      () => machine(backend, is),
      BackendError,
    );
    assertStringIncludes(
      message,
      `it is ${is}, which is not to be started or stopped`,
    );
  }
});

for (const field of ["is_a_template", "is_control_domain"]) {
  test(`a VM that becomes what is not ours (${field}) is not stopped`, async ({ fake, backend }) => {
    const ref = fake.pool.addVm({ name: "www" });
    const www = await machine(backend, "www");
    await www.start();
    fake.pool.db.update("VM", ref, { [field]: true });
    await until("seen", () => www.state().then(() => false, () => true));
    for (const act of ["destroy", "shutdown", "suspend", "start"] as const) {
      const { message } = await assertRejects(() => www[act](), BackendError);
      assertStringIncludes(message, "not to be started or stopped");
    }
    assertEquals(fake.pool.operations, ["start www"]);
  });
}

test("a VM that is removed is off, and another one that takes its name is left alone", async ({ fake, backend }) => {
  const uuid = crypto.randomUUID();
  const first = fake.pool.addVm({ name: "www", uuid });
  const www = await machine(backend, "www");
  const told: [MachineState, string][] = [];
  www.onStateChange = (state, reason) => told.push([state, reason]);
  await www.start();
  fake.pool.remove(first);
  await until("told", () => told.length > 1);
  assertEquals(told[1], ["off", "the pool has it no more"]);
  const other = fake.pool.addVm({ name: "www", state: "Running" });
  assertEquals(await www.state(), "off");
  await www.destroy();
  const { message } = await assertRejects(() => www.start(), BackendError);
  assertStringIncludes(
    message,
    `cannot start www: the pool has no VM with the UUID ${uuid}`,
  );
  assertEquals(fake.pool.vm(other).power_state, "Running");
  assertEquals(fake.pool.operations, ["start www"]);
});

test("a VM that is removed and comes back with its UUID, as from a backup, is the same machine", async ({ fake, backend }) => {
  const uuid = crypto.randomUUID();
  const first = fake.pool.addVm({ name: "www", uuid });
  const www = await machine(backend, "www");
  fake.pool.remove(first);
  await until("off", async () => {
    const error = await www.start().then(() => undefined, (error) => error);
    return error !== undefined;
  });
  const second = fake.pool.addVm({ name: "renamed", uuid });
  assertEquals(await www.start(), "started");
  assertEquals(fake.pool.vm(second).power_state, "Running");
});

test("the wait for an IP address ends when the guest's agent reports one", async ({ fake, backend }) => {
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www", { wait_for_ip: "1" });
  await www.start();
  const never = new AbortController().signal;
  let ready = false;
  const waiting = www.readiness!.wait(never).then(() => ready = true);
  fake.pool.report(ref, {});
  fake.pool.report(ref, { "0/ipv6/0": "fe80::1", "0/mac": "x" });
  await until("followed", () => fake.count("VM_guest_metrics.get_record") > 0);
  const polls = fake.count("event.from");
  fake.pool.db.update("VM", ref, { name_description: "ends the poll" });
  await until("polled", () => fake.count("event.from") > polls);
  assert(!ready);
  fake.pool.report(ref, { "0/ip": "10.0.0.5" });
  await waiting;
  await www.readiness!.wait(never); // at once
});

test("an address that the agent reported before a restart is not waited for", async ({ fake, backend }) => {
  const agent = { networks: { "0/ip": "10.0.0.5" }, after: 200 };
  const ref = fake.pool.addVm({ name: "www", agent });
  const www = await machine(backend, "www", { wait_for_ip: "true" });
  const never = new AbortController().signal;
  await www.start();
  await www.readiness!.wait(never);
  const before = fake.pool.vm(ref).guest_metrics;
  await www.destroy();
  await www.start();
  await www.readiness!.wait(never);
  assert(fake.pool.vm(ref).guest_metrics !== before);
});

test("an address that the agent reported before a reboot is not waited for", async ({ fake, backend }) => {
  const agent = { networks: { "0/ip": "10.0.0.5" }, after: 300 };
  const ref = fake.pool.addVm({ name: "www", agent });
  const www = await machine(backend, "www", { wait_for_ip: "true" });
  const never = new AbortController().signal;
  await www.start();
  await www.readiness!.wait(never);
  const before = fake.pool.vm(ref).guest_metrics;
  const rebooted = Promise.withResolvers<string>();
  www.onReboot = rebooted.resolve;
  fake.pool.reboot(ref);
  await rebooted.promise;
  assertEquals(fake.pool.vm(ref).guest_metrics, before); // as yet
  await www.readiness!.wait(never);
  assert(fake.pool.vm(ref).guest_metrics !== before);
  await www.readiness!.wait(never); // at once
});

test("the wait for an IP address ends when it is aborted", async ({ fake, backend }) => {
  const ref = fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www", { wait_for_ip: "1" });
  for (const agent of [false, true]) {
    if (agent) fake.pool.report(ref, {});
    const abort = new AbortController();
    const waiting = www.readiness!.wait(abort.signal);
    abort.abort(new Error("went off"));
    await assertRejects(() => waiting, Error, "went off");
  }
});

test("a machine waits for no address unless it is told to", async ({ fake, backend }) => {
  fake.pool.addVm({ name: "www" });
  assertEquals((await machine(backend, "www")).readiness, undefined);
  const off = await machine(backend, "www", { wait_for_ip: "0" });
  assertEquals(off.readiness, undefined);
});

test("a VM that boots anew while it runs is told, one that moves is not", async (stage) => {
  const { fake, backend } = stage;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  const told: string[] = [];
  www.onStateChange = (state) => told.push(state);
  www.onReboot = (reason) => told.push(reason);
  await www.start();
  await until("started", () => told.length === 1);
  await polling(stage);
  /** Changes the VM, and waits until that has been seen. */
  const change = async (fields: Struct) => {
    fake.pool.db.update("VM", ref, fields);
    await polling(stage);
  };

  // A migration: another domain, on another host or while it is said to be under way.
  const elsewhere = fake.pool.addHost("xs2", "10.0.0.2");
  await change({ domid: "100", resident_on: elsewhere });
  const current_operations = { "OpaqueRef:theirs": "pool_migrate" };
  await change({ current_operations, domid: "101" });
  await change({ current_operations: {} });
  await www.suspend();
  await www.start();
  assertEquals(told, ["running", "suspended", "running"]);

  fake.pool.reboot(ref);
  await until("told", () => told.length === 4);
  const { domid } = fake.pool.vm(ref);
  assertEquals(told[3], `the pool has it as domain ${domid} now`);
});
