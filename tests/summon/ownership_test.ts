import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { Summoner } from "../../src/fleet/summoner.ts";
import type { MachineState } from "../../src/backends/backend.ts";
import type { SummonedUnikernel } from "../../src/summon/summons.ts";
import { FakeMachine, FakeMarkPlace } from "./fake_machine.ts";
import { Stage, unikernel } from "./set_up.ts";

const MINUTE = 60_000;

/** One machine as two backends have it: what is done through one handle is seen through the other. */
class Handle extends FakeMachine {
  other?: Handle;

  override become(state: MachineState, reason?: string, seen?: boolean): void {
    super.become(state, reason, seen);
    if (this.other === undefined) return;
    this.other.current = state;
    this.other.onStateChange?.(state, reason ?? "");
  }
}

/** Two Jitsus, on two hosts as it were, that look after one machine called www. */
class Pair implements Disposable {
  readonly stage = new Stage({ id: "a" });
  readonly summoner = new Summoner({ now: Date.now, id: "b" });
  readonly place = new FakeMarkPlace();
  readonly machine = new Handle();
  readonly other = new Handle();

  constructor() {
    this.machine.other = this.other;
    this.other.other = this.machine;
    this.machine.mark = this.other.mark = this.place;
  }
  async add(overrides: Parameters<typeof unikernel>[0] = {}): Promise<
    { a: SummonedUnikernel; b: SummonedUnikernel }
  > {
    const a = await this.stage.add(overrides, this.machine);
    const b = await this.summoner.add(unikernel(overrides), this.other);
    return { a, b };
  }
  get calls(): string[] {
    return [...this.machine.calls, ...this.other.calls];
  }
  [Symbol.dispose](): void {
    this.summoner.close();
    this.stage[Symbol.dispose]();
  }
}

/** A request each half minute for so many minutes. */
async function use(stage: Stage, www: SummonedUnikernel, minutes: number) {
  for (let i = 0; i < 2 * minutes; i++) {
    www.usage.note(0, Date.now());
    await stage.elapse(MINUTE / 2);
  }
}

Deno.test("a machine that somebody else started is left alone when nobody asks for it", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ adopt: "leave" }, "running");
  assertEquals([www.ready, www.ours, www.idleIn], [true, false, undefined]);
  await stage.elapse(60 * MINUTE);
  assertEquals(machine.calls, []);
  await stage.summoner.stopAll("exit", 1000);
  assertEquals(machine.calls, [], "--stop-on-exit is for ours, too");

  machine.become("off");
  machine.become("running", "virsh start");
  await stage.elapse(60 * MINUTE);
  assertEquals(machine.calls, []);

  machine.become("off");
  await stage.elapse(0);
  www.summon("a query");
  await stage.elapse(3 * MINUTE);
  assertEquals(machine.calls, ["start", "destroy"], "that run was ours");
});

Deno.test("a machine that somebody else paused or suspended is still his when a query has brought it back", async () => {
  for (const state of ["paused", "suspended"] as const) {
    using stage = new Stage();
    const { machine, www } = await stage.www({ adopt: "leave" }, "running");
    machine.become(state);
    await stage.elapse(0);
    www.summon("a query");
    await stage.elapse(60 * MINUTE);
    assertEquals(machine.calls, ["start"]);
  }
});

Deno.test("a machine that was found running when it was to be started is somebody else's", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ adopt: "leave" });
  machine.become("running", "unseen", false);
  www.summon("a query");
  await stage.elapse(60 * MINUTE);
  assertEquals(machine.calls, ["start"]);
  assert(www.ready);
});

Deno.test("the operator stops whatever runs", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ adopt: "leave" }, "running");
  await www.stop("stopped by the operator");
  assertEquals(machine.current, "off");
});

Deno.test("adopt=stop given later starts the idle clock", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ adopt: "leave" }, "running");
  await stage.elapse(60 * MINUTE);
  www.reconfigure(unikernel({ adopt: "stop" }), machine);
  await stage.elapse(2 * MINUTE - 1);
  assertEquals(machine.calls, []);
  await stage.elapse(2);
  assertEquals(machine.calls, ["destroy"]);
});

Deno.test("what an earlier daemon of this store started is ours, what it found running is not", async () => {
  for (const ours of [true, false]) {
    using stage = new Stage();
    const machine = new FakeMachine();
    machine.become("running");
    await stage.add({ adopt: "leave" }, machine, {
      state: "ready",
      since: 0,
      usage: new Map(),
      starts: 1,
      failures: 0,
      ours,
    });
    await stage.elapse(60 * MINUTE);
    assertEquals(machine.calls, ours ? ["destroy"] : []);
  }
});

Deno.test("what this Jitsu started before is ours by its mark, whatever the store knows; another's is not", async () => {
  for (
    const [mark, calls] of [
      ["started=a", ["destroy"]],
      ["started=b", []],
      ["asked=a/0/120", []],
      ["something=else;started=a", ["destroy"]],
    ] as const
  ) {
    using stage = new Stage({ id: "a" });
    const machine = new FakeMachine();
    machine.become("running");
    machine.mark = new FakeMarkPlace(mark);
    await stage.add({ adopt: "leave" }, machine);
    await stage.elapse(3 * MINUTE);
    assertEquals(machine.calls, [...calls], mark);
  }
});

Deno.test("neither of two Jitsus stops a machine that the other one is asked for", async () => {
  for (const adopt of ["leave", "stop"] as const) {
    using pair = new Pair();
    const { stage, machine } = pair;
    const { a, b } = await pair.add({ adopt });
    a.summon("a query");
    await use(stage, b, 5);
    assertEquals(pair.calls, ["start"]);
    assertEquals([a.ours, b.ours], [true, false]);
    await use(stage, a, 5);
    assertEquals(pair.calls, ["start"]);
    await stage.elapse(5 * MINUTE);
    assertEquals(machine.current, "off");
    // With adopt=stop it may be both whose idle time is over.
    assertEquals(new Set(pair.calls), new Set(["start", "destroy"]));
    if (adopt === "leave") {
      assertEquals(machine.calls, ["start", "destroy"], "who started it");
    }
  }
});

Deno.test("a shorter TTL at one Jitsu does not end answers with a longer one that another has given out", async () => {
  using pair = new Pair();
  const { stage, machine, other } = pair;
  const a = await stage.add({ ttl: 1 }, machine);
  const b = await pair.summoner.add(unikernel({ ttl: 600 }), other);
  a.summon("a query");
  await stage.elapse(0);
  b.usage.note(0, Date.now());
  await stage.elapse(5 * MINUTE);
  assertEquals(pair.calls, ["start"]);
});

Deno.test("a clock that is ahead over there does not keep a machine for ever", async () => {
  using stage = new Stage({ id: "a" });
  const machine = new FakeMachine();
  machine.mark = new FakeMarkPlace(`asked=b/${24 * 3600}/120`);
  const www = await stage.add({}, machine);
  www.summon("a query");
  await stage.elapse(2 * MINUTE + 1);
  assertEquals(machine.calls, ["start"]);
  await stage.elapse(2 * MINUTE + 1);
  assertEquals(machine.calls, ["start", "destroy"]);
});

Deno.test("marks are written while it is asked for, at most twice a TTL, and not otherwise", async () => {
  using stage = new Stage({ id: "a" });
  const machine = new FakeMachine();
  const place = machine.mark = new FakeMarkPlace();
  const www = await stage.add({}, machine);
  await stage.elapse(MINUTE);
  assertEquals(place.writes, 0, "it does not run");
  www.summon("a query");
  for (let s = 0; s < 300; s++) {
    for (let i = 0; i < 5; i++) www.usage.note(0, Date.now());
    await stage.elapse(1000);
  }
  assertLessOrEqual(place.writes, 2 * 5 + 2);
  assertEquals(
    place.mark,
    `started=a;asked=a/${/a\/(\d+)/.exec(place.mark!)![1]}/120`,
  );
  const { writes } = place;
  await stage.elapse(MINUTE);
  assertLessOrEqual(place.writes, writes + 1);
});

Deno.test("what others wrote stays on the machine until it is over", async () => {
  using stage = new Stage({ id: "a" });
  const machine = new FakeMachine();
  machine.become("running");
  const place = machine.mark = new FakeMarkPlace(
    "started=c;asked=b/0/10;asked=c/0/6000",
  );
  const www = await stage.add({}, machine);
  await stage.elapse(20_000);
  www.usage.note(0, Date.now());
  await stage.elapse(MINUTE);
  assertEquals(place.mark, "started=c;asked=a/20/120;asked=c/0/6000");
});

Deno.test("a mark that cannot be left or read is said once, and nothing waits for it", async () => {
  using stage = new Stage({ id: "a" });
  const machine = new FakeMachine();
  const place = machine.mark = new FakeMarkPlace();
  place.fails = "no metadata here";
  const www = await stage.add({}, machine);
  www.summon("a query");
  await stage.elapse(0);
  assert(www.ready);
  await use(stage, www, 10);
  await stage.elapse(3 * MINUTE);
  assertEquals(machine.calls, ["start", "destroy"]);
  const told = stage.log.filter((line) =>
    line.includes("metadata") && line.startsWith("WARN")
  );
  assertEquals(told.length, 1, told.join("\n"));
});
