import { assert, assertEquals, assertRejects } from "@std/assert";
import { Summoner } from "../../src/fleet/summoner.ts";
import { FakeMachine } from "../summon/fake_machine.ts";
import { Outcome, Stage, test, unikernel } from "../summon/set_up.ts";

const CAUSE = "A www.example.org from 127.0.0.1#5353";

/** So many unikernels on a stage, `m0`, `m1`, ... */
async function several(
  stage: Stage,
  count: number,
  overrides: Parameters<Stage["add"]>[0] = {},
) {
  const machines = Array.from(
    { length: count },
    (_, i) => new FakeMachine(`m${i}`),
  );
  const summoned = await Promise.all(
    machines.map((machine) =>
      stage.add({ ...overrides, name: machine.name }, machine)
    ),
  );
  return { machines, summoned };
}

Deno.test("only so many machines are started at once, the rest in the order of their summonses", async () => {
  using stage = new Stage({ maxStarts: 2 });
  const { machines, summoned } = await several(stage, 5);
  for (const machine of machines) machine.takes.start = 1000;
  const outcomes = summoned.map((each) => new Outcome(each.summon(CAUSE)));
  const started = () => machines.map(({ calls }) => calls.length).join("");
  const answered = () => outcomes.filter((o) => o.state === "resolved").length;
  await stage.elapse(0);
  assertEquals([started(), answered()], ["11000", 0]);
  await stage.elapse(1000);
  assertEquals([started(), answered()], ["11110", 2]);
  await stage.elapse(1000);
  assertEquals([started(), answered()], ["11111", 4]);
  await stage.elapse(1000);
  assertEquals(answered(), 5);
  assert(stage.log.includes("INFO m2: waiting, 2 are being started"));
});

Deno.test("eight machines are started at once unless told otherwise", async () => {
  using stage = new Stage();
  const { machines, summoned } = await several(stage, 9);
  for (const machine of machines) machine.takes.start = 1000;
  for (const each of summoned) each.summon(CAUSE);
  await stage.elapse(0);
  assertEquals(machines.filter(({ changing }) => changing > 0).length, 8);
});

Deno.test("a machine has its place until it is ready, has failed, or was waited for long enough", async () => {
  for (
    const [end, waitRequired, ms] of [
      ["ready", true, 1000],
      ["off", true, 1000],
      ["stopped", true, 1000],
      ["late", true, 4000],
      ["late", false, 4000],
    ] as const
  ) {
    using stage = new Stage({ maxStarts: 1 });
    const readiness = {
      waitForKey: "data/ready",
      waitTimeout: 4,
      waitRequired,
    };
    const { machines, summoned } = await several(stage, 3, { readiness });
    machines.forEach((machine, i) => machine.domid = 10 * i);
    for (const each of summoned) each.summon(CAUSE);
    const started = () => machines.filter(({ calls }) => calls[0] === "start");
    await stage.elapse(ms - 1);
    assertEquals(started(), [machines[0]]);
    if (end === "ready") stage.xenstore.write(machines[0].domid);
    if (end === "off") machines[0].become("off");
    if (end === "stopped") summoned[0].stop("a test");
    await stage.elapse(2);
    assertEquals(started(), machines.slice(0, 2), end);
    // It was waited for from its turn on, not from its query.
    await stage.elapse(3000);
    assertEquals(summoned[1].state, "starting");
    assertEquals(started().length, 2);
    await stage.elapse(1001);
    assertEquals(started().length, 3);
  }
});

Deno.test("a stop of a machine that waits for its turn to start makes no call", async () => {
  using stage = new Stage({ maxStarts: 1 });
  const { machines, summoned: [first, second] } = await several(stage, 2);
  machines[0].takes.start = 1000;
  first.summon(CAUSE);
  const outcome = new Outcome(second.summon(CAUSE));
  await stage.elapse(10);
  await second.stop("operator");
  assertEquals([second.state, machines[1].calls], ["off", []]);
  assertEquals(outcome.message, "m1 was stopped: operator");
  await stage.elapse(990);
  assert(first.ready);
});

Deno.test("lost events are made up for by reading the states from time to time", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  machine.become("off", "unseen", false);
  await stage.elapse(29_999);
  assert(www.ready);
  await stage.elapse(1);
  assertEquals(www.state, "off");
  machine.become("running", "unseen", false);
  await stage.elapse(30_000);
  assert(www.ready);
  assert(stage.log.includes("INFO www: off (no event told of it)"));
});

Deno.test("a lost event during a start is made up for too", async () => {
  using stage = new Stage();
  const readiness = { waitForKey: "data/ready", waitTimeout: 600 };
  const { machine, www } = await stage.www({ readiness });
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(10);
  machine.become("off", "unseen", false);
  await stage.elapse(30_000);
  assertEquals([www.state, outcome.state], ["failed", "rejected"]);
});

Deno.test("reading the states changes nothing where nothing changed", async () => {
  using stage = new Stage();
  const states = ["off", "running", "paused", "suspended"] as const;
  const machines = states.map((state) => {
    const machine = new FakeMachine(state);
    machine.become(state);
    return machine;
  });
  for (const machine of machines) {
    await stage.add({ name: machine.name, ttl: 3600 }, machine);
  }
  const { length } = stage.transitions;
  await stage.elapse(300_000);
  assertEquals(stage.transitions.length, length);
  assert(machines.every(({ calls }) => calls.length === 0));
});

Deno.test("a state that cannot be read round after round is logged once, and the others are read", async () => {
  using stage = new Stage();
  const { machine } = await stage.www({ ttl: 3600 }, "running");
  const other = new FakeMachine("other");
  const second = await stage.add({ name: "other", ttl: 3600 }, other);
  machine.fails.state = Array(4).fill("connection lost");
  await stage.elapse(100_000);
  other.become("running", "unseen", false);
  await stage.elapse(30_000);
  assert(second.ready);
  assertEquals(
    stage.log.filter((line) => line.includes("be read")),
    ["WARN www: its state cannot be read: connection lost"],
  );
});

Deno.test("a machine whose state cannot be read is not taken over", async () => {
  using stage = new Stage();
  const machine = new FakeMachine();
  machine.fails.state = ["connection refused"];
  await assertRejects(
    () => stage.add({}, machine),
    Error,
    "connection refused",
  );
  assertEquals(machine.onStateChange, undefined);
});

Deno.test("an event during the take-over is not lost", async () => {
  using stage = new Stage();
  const machine = new FakeMachine();
  machine.become("running");
  const adding = stage.add({}, machine);
  machine.become("off", "crashed", false);
  machine.onStateChange!("off", "crashed");
  const www = await adding;
  await stage.elapse(0);
  assertEquals(www.state, "off");
});

Deno.test("stopping all stops what runs, each in its mode, and nothing else", async () => {
  using stage = new Stage();
  const states = ["running", "running", "running", "suspended", "off"] as const;
  const modes = [
    "destroy",
    "suspend",
    "shutdown",
    "destroy",
    "destroy",
  ] as const;
  const machines = states.map((state, i) => {
    const machine = new FakeMachine(`m${i}`);
    machine.become(state);
    return machine;
  });
  for (const [i, machine] of machines.entries()) {
    await stage.add({ name: machine.name, mode: modes[i] }, machine);
  }
  await stage.summoner.stopAll("Jitsu exits", 5000);
  assertEquals(
    machines.map(({ calls }) => calls),
    [["destroy"], ["suspend"], ["shutdown"], [], []],
  );
  assert(stage.log.includes("INFO m1: Jitsu exits, suspending"));
});

Deno.test("stopping all stops what is starting and refuses whoever waits for it", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  machine.takes.start = 1000;
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(500);
  const stopped = new Outcome(stage.summoner.stopAll("Jitsu exits", 5000));
  await stage.elapse(500);
  assertEquals([outcome.state, stopped.state], ["rejected", "resolved"]);
  assertEquals(machine.calls, ["start", "destroy"]);
});

Deno.test("stopping all ends in its time and names those that are not stopped", async () => {
  using stage = new Stage();
  const { machines, summoned } = await several(stage, 3, { mode: "shutdown" });
  for (const each of summoned) await each.summon(CAUSE);
  machines[1].shutsDownIn = "never";
  machines[2].fails.shutdown = ["permission denied"];
  const stopped = new Outcome(stage.summoner.stopAll("Jitsu exits", 4000));
  await stage.elapse(3999);
  assertEquals(stopped.state, "pending");
  await stage.elapse(1);
  assertEquals(stopped.state, "resolved");
  assert(stage.log.includes("WARN not stopped within 4 s: m1"));
  assert(
    stage.log.includes("ERROR m2: could not be stopped: permission denied"),
  );
});

Deno.test("only so many machines are stopped at once", async () => {
  using stage = new Stage({ maxStarts: 2 });
  const { machines, summoned } = await several(stage, 5);
  for (const each of summoned) await each.summon(CAUSE);
  for (const machine of machines) machine.takes.destroy = 1000;
  stage.summoner.stopAll("Jitsu exits", 5000);
  await stage.elapse(500);
  assertEquals(machines.filter(({ changing }) => changing > 0).length, 2);
  await stage.elapse(2500);
  assert(summoned.every(({ state }) => state === "off"));
});

Deno.test("closing refuses every summons in flight, wherever it is, and leaves the machines", async () => {
  using stage = new Stage({ maxStarts: 2 });
  const { machines, summoned } = await several(stage, 3, {
    mode: "shutdown",
    readiness: { waitForKey: "data/ready", waitTimeout: 600 },
  });
  const outcomes = [new Outcome(summoned[0].summon(CAUSE))]; // waits for its key
  await stage.elapse(0);
  machines[1].takes.start = 1000;
  outcomes.push(new Outcome(summoned[1].summon(CAUSE))); // is being started
  outcomes.push(new Outcome(summoned[2].summon(CAUSE))); // waits for its turn
  await stage.elapse(10);
  stage.summoner.close();
  await stage.elapse(200_000);
  for (const { message } of outcomes) {
    assertEquals(message, "Jitsu is shutting down");
  }
  assertEquals(machines.map(({ calls }) => calls), [["start"], ["start"], []]);
});

Deno.test("what is added after closing is closed", async () => {
  using stage = new Stage();
  stage.summoner.close();
  const { www } = await stage.www();
  await assertRejects(() => www.summon(CAUSE), Error, "Jitsu is shutting down");
});

test("a summoner on the real clock that is closed leaves no timer behind", async () => {
  const summoner = new Summoner();
  const machine = new FakeMachine();
  machine.become("running");
  const www = await summoner.add(unikernel(), machine);
  assert(www.ready);
  summoner.close();
});

test("a summoner that is closed while it reads the states leaves no timer behind", async () => {
  const summoner = new Summoner({ reconcileInterval: 1 });
  const machine = new FakeMachine();
  await summoner.add(unikernel(), machine);
  const reading = Promise.withResolvers<void>();
  const state = Promise.withResolvers<"off">();
  machine.state = () => {
    reading.resolve();
    return state.promise;
  };
  await reading.promise;
  summoner.close();
  state.resolve("off");
  await new Promise((done) => setTimeout(done));
});
