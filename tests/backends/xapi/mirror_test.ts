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
