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
import { machine, polling, test } from "./set_up.ts";

test("when events are lost, everything is read anew, once", async (stage) => {
  const { fake, backend, log } = stage;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await polling(stage);
  const told: MachineState[] = [];
  www.onStateChange = (state) => told.push(state);
  fake.loseEvents(() => fake.pool.become(ref, "Running"));
  await until("read anew", () => told.length === 1);
  fake.pool.become(ref, "Paused");
  await until("told by an event", () => told.length === 2);
  assertEquals(told, ["running", "paused"]);
  assertEquals(
    log.filter((line) => line.endsWith("[EVENTS_LOST]; reading anew")).length,
    1,
  );
  assert(!log.some((line) => line.includes("the pool is lost")));
});

test("a record that the pool refuses is an error of that machine alone", async ({ fake, backend, log }) => {
  fake.pool.addVm({ name: "www" });
  const description = ["INTERNAL_ERROR", "Not_found"];
  fake.fault("VM.get_record", { kind: "error", description });
  const { message } = await assertRejects(
    () => machine(backend, "www"),
    BackendError,
  );
  assertStringIncludes(
    message,
    "a fault of its own: Not_found [INTERNAL_ERROR]",
  );
  assertEquals(await (await machine(backend, "www")).start(), "started");
  assert(!log.some((line) => line.includes("reading anew")));
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
  const told = Promise.withResolvers<MachineState>();
  www.onStateChange = told.resolve;
  fake.pool.become(ref, "Paused");
  assertEquals(await told.promise, "paused");
});

test("a name in a record that is written as it is, which is no XML, is read", async ({ fake, backend }) => {
  fake.rawNames = true;
  const ref = fake.pool.addVm({ name: "www" });
  fake.pool.db.update("VM", ref, { other_config: { "R&D": "1", "a<b": "2" } });
  const www = await machine(backend, "www");
  assertEquals(await www.start(), "started");
  fake.pool.become(ref, "Halted");
  await until("told", async () => await www.state() === "off");
  assertEquals(fake.count("session.login_with_password"), 1);
});

for (
  const [what, body] of [
    ["that is not well-formed", "<methodResponse><params></param>"],
    ["too large", `<methodResponse>${" ".repeat(33 * 2 ** 20)}`],
  ]
) {
  test(`a record ${what} is an error of its machine alone`, async (stage) => {
    const { fake, backend, log } = stage;
    fake.pool.addVm({ name: "www" });
    const bad = fake.pool.addVm({ name: "bad" });
    const www = await machine(backend, "www");
    const other = await machine(backend, "bad");
    await polling(stage);
    // An event brings it, and then nobody can read it.
    fake.fault("event.from", { kind: "body", body });
    fake.fault("VM.get_record", { kind: "body", body }, 1000, undefined, bad);
    fake.pool.become(bad, "Running");
    await until("read", () => other.state().then(() => false, () => true));
    const { message } = await assertRejects(() => other.state(), BackendError);
    assertStringIncludes(message, "cannot read the state of bad: ");
    assertEquals(await www.start(), "started");
    await www.destroy();
    assertEquals(fake.count("session.login_with_password"), 1);
    assert(!log.some((line) => line.includes("the pool is lost")));
  });
}

test("a name that no VM has is told although the names of the others are too much to read", async ({ fake, backend }) => {
  const body = `<methodResponse>${" ".repeat(33 * 2 ** 20)}`;
  fake.fault("VM.get_all_records_where", { kind: "body", body });
  const { message } = await assertRejects(
    () => machine(backend, "wwv"),
    BackendError,
  );
  assertStringIncludes(message, 'the pool has no VM called "wwv"; ');
  assertEquals(fake.count("session.login_with_password"), 1);
});
