/**
 * What becomes of machines that are ready: those that go off soon, those that boot anew, those never seen to be ready.
 *
 * @module
 */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { FakeHolder, Outcome, Stage } from "./set_up.ts";

const MINUTE = 60_000;
const KEY = { waitForKey: "data/ready" };

Deno.test("a machine that goes off soon after it was ready, again and again, is left alone for longer and longer", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  for (let ms = 0; ms < 10_000; ms += 100) {
    www.summon("a query");
    await stage.elapse(50);
    if (machine.current === "running" && ms % 300 === 0) machine.become("off");
    await stage.elapse(50);
  }
  assertLessOrEqual(machine.calls.length, 7);
  assertEquals(www.state, "failed");
  assertEquals(www.failures, machine.calls.length);
  assertEquals(
    www.failure.replace(/\d\.\d+ s/, "N s"),
    `www is in a crash loop, ${www.failures} times so far: it went off N s after it was ready (by an admin)`,
  );
  const outcome = new Outcome(www.summon("a query"));
  await stage.elapse(0);
  assert(outcome.message?.startsWith(www.failure), outcome.message);

  await stage.elapse(MINUTE);
  www.summon("a query");
  await stage.elapse(MINUTE);
  machine.become("off");
  await stage.elapse(0);
  assertEquals(www.state, "off", "it stood for long enough");
});

Deno.test("a machine that is stopped soon after it was ready is in no crash loop", async () => {
  using stage = new Stage();
  const { www } = await stage.www();
  for (let i = 0; i < 10; i++) {
    www.summon("a query");
    await stage.elapse(10);
    await www.stop("a test");
  }
  assertEquals([www.state, www.starts, www.failures], ["off", 10, 0]);
});

Deno.test("a machine that boots anew has to become ready again, and its connections are held", async () => {
  const holder = new FakeHolder();
  using stage = new Stage({ holders: [holder] });
  const readiness = { ...KEY, waitTimeout: 60, waitRequired: true };
  const { machine, www } = await stage.www({ readiness, adopt: "leave" });
  www.summon("a query");
  await stage.elapse(10);
  stage.xenstore.write(machine.domid);
  await stage.elapse(10);
  assert(www.ready);
  stage.transitions.length = holder.told.length = 0;

  machine.domid++;
  machine.onReboot!("rebooted");
  assertEquals([www.ready, www.state], [false, "starting"]);
  const outcome = new Outcome(www.summon("a query"));
  await stage.elapse(3000);
  machine.domid++;
  machine.onReboot!("rebooted again");
  await stage.elapse(3000);
  assertEquals(outcome.state, "pending");
  stage.xenstore.write(machine.domid);
  await stage.elapse(10);
  assertEquals(outcome.state, "resolved");
  assertEquals(stage.transitions, [
    "www: ready -> starting (it boots anew: rebooted)",
    "www: starting -> ready (it boots anew: rebooted again)",
  ]);
  assertEquals(holder.told.map((line) => line.split(" ")[1]), [
    "booting",
    "ended",
    "booting",
    "ready",
  ]);
  assert(www.ours, "whose it is has not changed");
  assertEquals(machine.calls, ["start"]);
});

for (
  const [when, ms] of [
    ["in the grace period of its shutdown", 1000],
    ["while it is being destroyed", 3500],
  ] as const
) {
  Deno.test(`a machine that boots anew ${when} has to become ready again if it cannot be stopped`, async () => {
    using stage = new Stage();
    const readiness = { ...KEY, waitTimeout: 60, waitRequired: true };
    const { machine, www } = await stage.www({
      readiness,
      mode: "shutdown",
      shutdownTimeout: 3,
    });
    machine.shutsDownIn = "never";
    machine.takes.destroy = 1000;
    machine.fails.destroy = ["no", "no"];
    www.summon("a query");
    await stage.elapse(10);
    stage.xenstore.write(machine.domid);
    await stage.elapse(10);
    const first = new Outcome(www.stop("a test"));
    await stage.elapse(5000);
    assertEquals([first.state, www.state], ["rejected", "ready"]);

    www.stop("a test");
    await stage.elapse(ms);
    machine.domid++;
    machine.onReboot!("rebooted");
    assertEquals(www.state, "stopping");
    await stage.elapse(5000);
    assertEquals([www.ready, www.state], [false, "starting"]);
    stage.xenstore.write(machine.domid);
    await stage.elapse(10);
    assert(www.ready);
  });
}

Deno.test("a boot during a call of ours, or of a machine that does not run, is none of its own", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  machine.onReboot!("late word");
  await stage.elapse(0);
  assertEquals(www.state, "off");
  machine.takes.start = 1000;
  www.summon("a query");
  await stage.elapse(500);
  machine.onReboot!("the toolstack's own");
  await stage.elapse(500);
  assertEquals([www.state, machine.calls], ["ready", ["start"]]);
});

Deno.test("a machine that is taken for ready unseen is shown as such, and has no time to ready", async () => {
  using stage = new Stage();
  const readiness = { ...KEY, waitTimeout: 4 };
  const { machine, www } = await stage.www({ readiness });
  const outcome = new Outcome(www.summon("a query"));
  await stage.elapse(4000);
  assertEquals(outcome.state, "resolved");
  assertEquals(
    [www.state, www.unconfirmed, www.lastTimeToReady],
    ["ready", "no data/ready in xenstore", undefined],
  );
  assertEquals(
    stage.transitions.at(-1),
    "www: starting -> ready (a query; unconfirmed: no data/ready in xenstore)",
  );
  const told = stage.log.filter((line) => /unconfirmed/.test(line));
  assertEquals(told.length, 1);

  machine.become("off");
  await stage.elapse(0);
  www.summon("a query");
  await stage.elapse(10);
  stage.xenstore.write(machine.domid);
  await stage.elapse(10);
  assertEquals([www.unconfirmed, www.lastTimeToReady], [undefined, 10]);
});
