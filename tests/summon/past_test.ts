import { assert, assertEquals } from "@std/assert";
import type { MachineState } from "../../src/backends/backend.ts";
import type { Past } from "../../src/summon/context.ts";
import { FakeMachine } from "./fake_machine.ts";
import { Stage } from "./set_up.ts";

const NAME = "www.example.org";
const MINUTE = 60_000;

/** What was known of www, whose idle time is two minutes, when an earlier daemon ended ten minutes ago. */
function past(overrides: Partial<Past> = {}): Past {
  return {
    state: "ready",
    since: -30 * MINUTE,
    usage: new Map([[NAME, { requests: 7, lastRequest: -11 * MINUTE }]]),
    starts: 3,
    failures: 1,
    lastTimeToReady: 900,
    ...overrides,
  };
}

async function www(stage: Stage, state: MachineState, before: Past) {
  const machine = new FakeMachine();
  machine.become(state);
  return { machine, www: await stage.add({}, machine, before) };
}

Deno.test("what was counted goes on", async () => {
  using stage = new Stage();
  const { www: { starts, failures, lastTimeToReady, usage } } = await www(
    stage,
    "off",
    past({ state: "off" }),
  );
  assertEquals([starts, failures, lastTimeToReady], [3, 1, 900]);
  const before = { requests: 7, lastRequest: -11 * MINUTE };
  assertEquals([...usage], [[NAME, before]]);
});

Deno.test("names that are new begin at nothing, names that are gone stay away", async () => {
  using stage = new Stage();
  const gone = { requests: 9, lastRequest: 0 };
  const before = past({ usage: new Map([["gone.example.org", gone]]) });
  const { www: { usage } } = await www(stage, "off", before);
  assertEquals([...usage], [
    [NAME, { requests: 0, lastRequest: -Infinity }],
  ]);
});

Deno.test("the idle clock of a machine that still runs goes on from the last request", async () => {
  using stage = new Stage();
  const lastRequest = -MINUTE;
  const usage = new Map([[NAME, { requests: 7, lastRequest }]]);
  const { machine, www: { ready, since } } = await www(
    stage,
    "running",
    past({ usage }),
  );
  assert(ready);
  assertEquals(since, -30 * MINUTE, "it is in this state as long as ever");
  await stage.elapse(MINUTE - 1);
  assertEquals(machine.current, "running");
  await stage.elapse(2);
  assertEquals(machine.current, "off");
  assertEquals(stage.origins, ["idle", "idle"]);
});

Deno.test("a machine that nobody asked for while it was ready counts from when it became ready", async () => {
  using stage = new Stage();
  const before = past({ since: -MINUTE, usage: new Map() });
  const { machine } = await www(stage, "running", before);
  await stage.elapse(MINUTE - 1);
  assertEquals(machine.current, "running");
  await stage.elapse(2);
  assertEquals(machine.current, "off");
});

Deno.test("a machine whose idle time is over already is stopped at once", async () => {
  using stage = new Stage();
  const { machine } = await www(stage, "running", past());
  await stage.elapse(1);
  assertEquals(machine.current, "off");
  assertEquals(stage.transitions, [
    "www: ready -> stopping (idle for 660 s)",
    "www: stopping -> off (idle for 660 s)",
  ]);
});

Deno.test("the idle clock of a machine that somebody else started meanwhile begins now", async () => {
  for (const state of ["off", "paused", "suspended", "failed"] as const) {
    using stage = new Stage();
    const { machine } = await www(stage, "running", past({ state }));
    assertEquals(stage.transitions, [`www: ${state} -> ready (found running)`]);
    await stage.elapse(2 * MINUTE - 1);
    assertEquals(machine.current, "running");
    await stage.elapse(2);
    assertEquals(machine.current, "off");
  }
});

Deno.test("a state that is as it was is no change, any other is one that the backend told", async () => {
  for (
    const [before, found, transitions] of [
      ["off", "off", []],
      ["ready", "running", []],
      ["paused", "paused", []],
      ["suspended", "suspended", []],
      ["ready", "off", ["www: ready -> off (found off)"]],
      ["failed", "off", ["www: failed -> off (found off)"]],
      ["starting", "running", ["www: starting -> ready (found running)"]],
      ["stopping", "running", ["www: stopping -> ready (found running)"]],
      ["ready", "paused", ["www: ready -> paused (found paused)"]],
    ] as const
  ) {
    using stage = new Stage();
    const { www: { state, ready } } = await www(
      stage,
      found,
      past({ state: before, since: 0, usage: new Map() }),
    );
    assertEquals(stage.transitions, transitions as readonly string[]);
    assertEquals(stage.origins, transitions.map(() => "backend"));
    assertEquals(state, found === "running" ? "ready" : found);
    assertEquals(ready, found === "running");
  }
});

Deno.test("each change is told with who brought it about", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  const origins = (expected: string[]) => {
    assertEquals(stage.origins.splice(0), expected);
  };
  www.summon("A www.example.org");
  await stage.elapse(0);
  origins(["query", "query"]);
  www.stop("jitsu stop");
  await stage.elapse(0);
  origins(["operator", "operator"]);
  www.summon("jitsu start", "operator");
  await stage.elapse(0);
  origins(["operator", "operator"]);
  machine.become("off", "crashed");
  await stage.elapse(0);
  origins(["backend"]);
  machine.become("running", "virsh start");
  await stage.elapse(0);
  origins(["backend", "backend"]);
  await stage.elapse(3 * MINUTE);
  origins(["idle", "idle"]);
});

Deno.test("a shorter TTL after a restart does not end answers with the longer one that were given out before", async () => {
  using stage = new Stage();
  const lastRequest = -MINUTE;
  const { machine, www: { idleIn, goodUntil } } = await www(
    stage,
    "running",
    past({
      usage: new Map([[NAME, { requests: 7, lastRequest }]]),
      goodUntil: lastRequest + 60 * MINUTE,
    }),
  );
  assertEquals([idleIn, goodUntil], [59 * MINUTE, 59 * MINUTE]);
  await stage.elapse(59 * MINUTE - 1);
  assertEquals(machine.current, "running");
  await stage.elapse(2);
  assertEquals(machine.current, "off");
});
