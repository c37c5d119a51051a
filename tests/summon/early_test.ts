import { assert, assertEquals } from "@std/assert";
import { FakeHolder, Outcome, Stage } from "./set_up.ts";

const EARLY = {
  answer: "early" as const,
  readiness: { waitForKey: "data/ready", waitTimeout: 60 },
};

for (const state of ["off", "paused", "suspended"] as const) {
  Deno.test(`an early answer goes out when a machine that was ${state} has been started, and readiness goes on`, async () => {
    using stage = new Stage();
    const { machine, www } = await stage.www({
      ...EARLY,
      readiness: { responseDelay: 5 },
    }, state);
    machine.takes.start = 2000;
    const first = new Outcome(www.summon("a query"));
    await stage.elapse(1999);
    assertEquals([first.state, www.ready], ["pending", false]);
    await stage.elapse(1);
    assertEquals(first.state, "resolved");
    assertEquals([www.state, www.ready], ["starting", true]);
    const later = new Outcome(www.summon("another"));
    await stage.elapse(0);
    assertEquals(later.state, "resolved");
    await stage.elapse(5000);
    assertEquals(www.state, "ready");
    assertEquals(www.lastTimeToReady, 7000);
    assertEquals(machine.calls, ["start"]);
  });
}

Deno.test("connections are held before an early answer, and until the machine is ready", async () => {
  const holder = new FakeHolder();
  using stage = new Stage({ holders: [holder] });
  const { machine, www } = await stage.www(EARLY);
  machine.takes.start = 100;
  www.summon("a query").then(() => holder.told.push("answer"));
  await stage.elapse(1000);
  assertEquals(holder.told, ["www booting 52:54:00:00:00:01", "answer"]);
  stage.xenstore.write(machine.domid);
  await stage.elapse(10);
  assertEquals(holder.told.slice(2), ["www ready"]);
});

Deno.test("a start that fails is no early answer", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www(EARLY);
  machine.fails.start = ["no memory"];
  const outcome = new Outcome(www.summon("a query"));
  await stage.elapse(10);
  assertEquals(outcome.state, "rejected");
  assertEquals([www.state, www.ready], ["failed", false]);
});

Deno.test("a machine that dies after its early answer has failed, which is recorded, and is started again later", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www(EARLY);
  await www.summon("a query");
  assert(www.ready);
  machine.become("off", "crashed");
  await stage.elapse(10);
  assertEquals([www.state, www.ready, www.failures], ["failed", false, 1]);
  assertEquals(
    stage.transitions.at(-1),
    "www: starting -> failed (it went off before it was ready (crashed))",
  );
  await stage.elapse(60_000);
  const again = new Outcome(www.summon("a query"));
  await stage.elapse(10);
  assertEquals(again.state, "resolved");
  assertEquals(machine.calls, ["start", "start"]);
});

Deno.test("when a required readiness has not come in time, the next answers wait for it", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({
    ...EARLY,
    readiness: { ...EARLY.readiness, waitRequired: true },
  });
  await www.summon("a query");
  await stage.elapse(60_000);
  assertEquals([www.state, www.ready, www.failures], ["starting", false, 1]);
  const next = new Outcome(www.summon("a query"));
  await stage.elapse(1000);
  assertEquals(next.state, "pending");
  stage.xenstore.write(machine.domid);
  await stage.elapse(10);
  assertEquals(next.state, "resolved");
});

Deno.test("one that somebody else starts is answered for early too, one that is stopped meanwhile is not", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www(EARLY);
  machine.become("running");
  await stage.elapse(1);
  assertEquals([www.state, www.ready], ["starting", true]);
  machine.takes.destroy = 1000;
  www.stop("enough");
  await stage.elapse(1);
  assertEquals([www.state, www.ready], ["stopping", false]);
  await stage.elapse(1000);
  assertEquals([www.state, www.ready], ["off", false]);
});
