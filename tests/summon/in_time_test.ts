/**
 * Every query is answered before a stub resolver gives up, whatever a backend does or does not do.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { FakeMachine, FakeMarkPlace } from "./fake_machine.ts";
import { Outcome, Stage } from "./set_up.ts";

const MINUTE = 60_000;
const KEY = { waitForKey: "data/ready" };
const never = () => new Promise<never>(() => {});
const thrown = () => {
  throw new Error("out of file descriptors");
};

Deno.test("a query is answered after 4.5 s with the reason though the backend's start hangs, and the start goes on", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  machine.takes.start = MINUTE;
  const first = new Outcome(www.summon("a query"));
  await stage.elapse(4000);
  const second = new Outcome(www.summon("another"));
  const operator = new Outcome(www.summon("the operator", "operator"));
  await stage.elapse(499);
  assertEquals(first.state, "pending");
  await stage.elapse(1);
  assertEquals(
    first.message,
    "www is still being started by its backend; ask again later",
  );
  assertEquals(second.state, "pending", "it has time of its own");
  await stage.elapse(4000);
  assertEquals([second.state, operator.state], ["rejected", "pending"]);
  await stage.elapse(MINUTE);
  assertEquals(machine.calls, ["start"]);
  assertEquals(operator.state, "resolved");
  assert(www.ready);
});

Deno.test("what hinders an answer is said: a stop, the turn, what has not come yet", async () => {
  using stage = new Stage({ maxStarts: 1 });
  const { machine, www } = await stage.www({}, "running");
  machine.takes.destroy = MINUTE;
  www.stop("a test");
  const stopping = new Outcome(www.summon("a query"));

  const other = new FakeMachine("other");
  other.takes.start = 2000;
  const readiness = { ...KEY, waitTimeout: 4 };
  const boots = await stage.add({ name: "other", readiness }, other);
  const booting = new Outcome(boots.summon("a query"));
  const waits = await stage.add({ name: "waits" });
  const waiting = new Outcome(waits.summon("a query"));
  await stage.elapse(4500);
  assertEquals(
    [stopping, booting, waiting].map(({ message }) => message),
    [
      "www is still being stopped, and starts after that; ask again later",
      "other runs, and is not ready yet: no data/ready in xenstore",
      "waits is still waiting for its turn: 1 are being started; ask again later",
    ],
  );
});

Deno.test("where a longer wait was configured, queries wait for as long once the machine runs", async () => {
  for (
    const readiness of [{ ...KEY, waitTimeout: 60 }, { responseDelay: 20 }]
  ) {
    using stage = new Stage();
    const { machine, www } = await stage.www({ readiness });
    machine.takes.start = 1000;
    const outcome = new Outcome(www.summon("a query"));
    await stage.elapse(20_000);
    assertEquals(outcome.state, "pending");
    stage.xenstore.write(machine.domid);
    await stage.elapse(1000);
    assertEquals(outcome.state, "resolved");
  }
});

Deno.test("a machine that is removed while its backend hangs is let go of when nobody waits any more", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  machine.start = never;
  www.summon("a query");
  let removed = false;
  stage.summoner.remove(www).then(() => removed = true);
  await stage.elapse(4499);
  assertEquals(removed, false);
  await stage.elapse(1);
  assertEquals(removed, true);
});

Deno.test("a start that hangs has failed after ten minutes; when it comes all the same, the machine is ours", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ adopt: "leave" });
  const late = Promise.withResolvers<"started">();
  machine.start = () => late.promise;
  www.summon("a query");
  await stage.elapse(10 * MINUTE);
  assertEquals(www.state, "failed");
  await stage.elapse(10 * MINUTE);
  const outcome = new Outcome(www.summon("a query"));
  await stage.elapse(0);
  assertMatch(outcome.message!, /has not answered for 600 s, and that is not/);

  machine.become("running");
  late.resolve("started");
  await stage.elapse(1000);
  assertEquals([www.state, www.ours], ["ready", true]);
  await stage.elapse(3 * MINUTE);
  assertEquals(machine.calls, ["destroy"]);
});

Deno.test("a stop that hangs leaves the machine ready after ten minutes, and is tried again when that is over", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  const late = Promise.withResolvers<void>();
  const { destroy } = machine;
  machine.destroy = () => late.promise;
  await stage.elapse(12 * MINUTE + 1000);
  assertEquals(www.state, "ready");
  machine.destroy = destroy;
  await stage.elapse(10 * MINUTE);
  assertEquals([www.state, machine.calls], ["ready", []]);
  late.reject(new Error("at last"));
  await stage.elapse(3 * MINUTE);
  assertEquals(www.state, "off");
});

Deno.test("a state that cannot be read in time, or throws at once, keeps nothing waiting", async () => {
  for (const state of [never, thrown]) {
    using stage = new Stage({ reconcileInterval: MINUTE });
    const { machine, www } = await stage.www({}, "running");
    const { machine: other, www: neighbour } = await stage.www();
    machine.state = state;
    other.become("running", "unseen", false);
    await stage.elapse(MINUTE + 20_000);
    assertEquals(neighbour.state, "ready", "the others are looked after");
    machine.onStateChange?.("off", "told");
    await stage.elapse(20_000);
    assertEquals(www.state, "off", "what was told is believed");
  }
});

Deno.test("a call that throws at once fails like any other, in every state", async () => {
  for (const mode of ["destroy", "suspend", "shutdown"] as const) {
    using stage = new Stage();
    const { machine, www } = await stage.www({ mode }, "running");
    const { state, start } = machine;
    machine.state = machine[mode] = machine.start = thrown;
    await stage.elapse(3 * MINUTE);
    assertEquals(www.state, "ready", "it could not be stopped");
    machine.state = state;
    machine.become("off");
    await stage.elapse(0);
    const outcome = new Outcome(www.summon("a query"));
    await stage.elapse(0);
    assertEquals(
      outcome.message,
      "www could not be started: out of file descriptors",
    );
    machine.start = start;
    await stage.elapse(2000);
    www.summon("a query");
    await stage.elapse(0);
    assertEquals(www.state, "ready");
  }
});

Deno.test("a mark that hangs delays a stop, and does not keep the machine", async () => {
  using stage = new Stage();
  const machine = new FakeMachine();
  machine.mark = new FakeMarkPlace();
  machine.mark.read = never;
  const www = await stage.add({}, machine);
  www.summon("a query");
  await stage.elapse(3 * MINUTE);
  assertEquals(machine.calls, ["start", "destroy"]);
});

Deno.test("whoever waits for a machine in the backend's own way is not waited for when it is stopped", async () => {
  using stage = new Stage();
  const machine = Object.assign(new FakeMachine(), {
    readiness: { what: "DHCP lease", wait: never },
  });
  const www = await stage.add({ readiness: { waitTimeout: 4 } }, machine);
  www.summon("a query");
  await stage.elapse(1000);
  await www.stop("a test");
  assertEquals(www.state, "off");
  www.summon("a query");
  await stage.elapse(4000);
  assertEquals([www.state, www.unconfirmed], ["ready", "no DHCP lease"]);
});

Deno.test("a query starts a machine that is off, and none that is on the way, ready or left alone", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  assertEquals(www.wouldStart, true);
  machine.takes.start = 1000;
  machine.fails.start = ["no memory"];
  www.summon("a query");
  assertEquals(www.wouldStart, false, "it is on the way");
  await stage.elapse(1001);
  assertEquals([www.state, www.wouldStart], ["failed", false]);
  await stage.elapse(1000);
  assertEquals(www.wouldStart, true, "the back-off is over");
  www.summon("a query");
  await stage.elapse(1001);
  assertEquals([www.state, www.wouldStart], ["ready", false]);
  www.stop("a test");
  assertEquals(www.wouldStart, false, "it is being stopped");
  await stage.elapse(1);
  assertEquals([www.state, www.wouldStart], ["off", true]);
});
