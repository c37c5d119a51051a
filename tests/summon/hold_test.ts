import { assertEquals } from "@std/assert";
import { type ConnectionHolder, Holds } from "../../src/summon/hold.ts";
import { Calls } from "../../src/summon/calls.ts";
import { FakeMachine } from "./fake_machine.ts";
import { FakeHolder, Stage, unikernel } from "./set_up.ts";

const KEY = { waitForKey: "data/ready" };

Deno.test("a holder is told of a boot beside the start and of readiness before the answers go out", async () => {
  const holder = new FakeHolder();
  using stage = new Stage({ holders: [holder] });
  const { machine, www } = await stage.www({ readiness: KEY });
  machine.takes.start = 2000;
  machine.takes.macs = 10;
  const answered = www.summon("a query").then(() => holder.told.push("answer"));
  await stage.elapse(9);
  assertEquals(holder.told, []);
  await stage.elapse(1);
  assertEquals(holder.told, ["www booting 52:54:00:00:00:01"]);
  await stage.elapse(2000);
  stage.xenstore.write(machine.domid);
  await answered;
  assertEquals(holder.told.slice(1), ["www ready", "answer"]);
});

Deno.test("a holder that throws, or a machine whose MAC address cannot be read, fails no start", async () => {
  const broken = {
    hold: () => {
      throw new Error("broken");
    },
  };
  const holder = new FakeHolder();
  using stage = new Stage({ holders: [broken, holder] });
  const { machine, www } = await stage.www();
  await www.summon("a query");
  assertEquals(holder.told.length, 2);
  assertEquals(
    stage.log.filter((line) => line.includes("broken")).length,
    1,
  );
  machine.become("off");
  await stage.elapse(1);
  machine.fails.macs = ["no such domain"];
  await www.summon("a query");
  machine.become("off");
  await stage.elapse(1);
  machine.macs = [];
  await www.summon("a query");
  await stage.elapse(20);
  assertEquals(holder.told.length, 2);
  assertEquals(
    stage.log.filter((line) => line.includes("are not held")).map((
      line,
    ) => line.replace(/.*not held: /, "")),
    ["no such domain", "it has no MAC address"],
  );
});

for (
  const [what, end] of [
    ["its start fails", (machine) => machine.fails.start = ["no memory"]],
    ["it dies", (machine) => setTimeout(() => machine.become("off"), 60)],
  ] satisfies [string, (machine: FakeMachine) => void][]
) {
  Deno.test(`a hold ends when the machine is not going to be ready: ${what}`, async () => {
    const holder = new FakeHolder();
    using stage = new Stage({ holders: [holder] });
    const { machine, www } = await stage.www({ readiness: KEY });
    machine.takes.start = 50;
    end(machine);
    www.summon("a query");
    await stage.elapse(100);
    assertEquals(holder.told, [
      "www booting 52:54:00:00:00:01",
      "www ended",
    ]);
  });
}

Deno.test("a hold ends when the machine is stopped while it boots, and when Jitsu exits", async () => {
  const holder = new FakeHolder();
  using stage = new Stage({ holders: [holder] });
  const { machine, www } = await stage.www({ readiness: KEY });
  machine.takes.start = 50;
  www.summon("a query");
  await stage.elapse(10);
  www.stop("enough");
  await stage.elapse(100);
  assertEquals(holder.told.splice(0).slice(1), ["www ended"]);
  www.summon("a query");
  await stage.elapse(10);
  stage.summoner.close();
  await stage.elapse(100);
  assertEquals(holder.told.slice(1), ["www ended"]);
});

Deno.test("a machine that somebody else starts is held too, one that waits for its turn is not", async () => {
  const holder = new FakeHolder();
  using stage = new Stage({ holders: [holder], maxStarts: 1 });
  const a = await stage.add({ name: "a", readiness: KEY });
  const b = await stage.www({ readiness: { responseDelay: 0.001 } });
  b.machine.become("running");
  await stage.elapse(2);
  assertEquals(holder.told.splice(0), [
    "www booting 52:54:00:00:00:01",
    "www ready",
  ]);
  b.machine.become("off");
  await stage.elapse(1);
  b.machine.takes.start = 50;
  b.www.summon("a query");
  a.summon("a query");
  await stage.elapse(49);
  assertEquals(holder.told, ["www booting 52:54:00:00:00:01"]);
  await stage.elapse(2);
  assertEquals(holder.told.slice(1).sort(), [
    "a booting 52:54:00:00:00:01",
    "www ready",
  ]);
});

Deno.test("whoever can tell when a machine is heard of is waited for, where somebody can", async () => {
  const { promise: heard, resolve } = Promise.withResolvers<void>();
  const teller = { hold: () => ({ heard, ready() {}, ended() {} }) };
  const deaf = new FakeHolder();
  const machine = new FakeMachine();
  const isHeard = async (holds: Holds) => {
    const later = new Promise((resolve) => setTimeout(resolve, 0, "later"));
    return await Promise.race([holds.heard, later]) !== "later";
  };
  const begin = (...holders: ConnectionHolder[]) => {
    const holds = new Holds(holders, () => {});
    holds.begin(unikernel(), new Calls(machine));
    return holds;
  };
  assertEquals(begin().heard, undefined);
  assertEquals(await isHeard(begin(deaf)), true);
  const holds = begin(deaf, teller);
  assertEquals(await isHeard(holds), false);
  resolve();
  assertEquals(await isHeard(holds), true);
  machine.fails.macs = ["no such domain"];
  assertEquals(await isHeard(begin(teller)), true);
});
