import { assertEquals, assertThrows } from "@std/assert";
import type { Transition } from "../../src/summon/states.ts";
import { Stage } from "./set_up.ts";

Deno.test("each listener is told of each change of state, with all there is to say of it", async () => {
  using stage = new Stage();
  const heard: Transition[] = [];
  const states: string[] = [];
  stage.summoner.transitions.subscribe((transition) => heard.push(transition));
  stage.summoner.transitions.subscribe((_, status) => {
    states.push(`${status.state} since ${status.since}`);
  });
  const { www, machine } = await stage.www();
  await stage.elapse(1000);
  machine.takes.start = 500;
  www.summon("a query");
  await stage.elapse(500);
  const common = { unikernel: "www", origin: "query", cause: "a query" };
  assertEquals(heard, [
    { ...common, at: 1000, from: "off", to: "starting" },
    { ...common, at: 1500, from: "starting", to: "ready" },
  ] as Transition[]);
  assertEquals(states, ["starting since 1000", "ready since 1500"]);
});

Deno.test("a listener that throws is logged, and harms neither the unikernel nor the other listeners", async () => {
  using stage = new Stage();
  let heard = 0;
  const { transitions } = stage.summoner;
  transitions.subscribe(() => {
    throw new Error("disk full");
  });
  transitions.subscribe(() => heard++);
  const { www } = await stage.www();
  await www.summon("a query");
  assertEquals([www.state, heard], ["ready", 2]);
  assertEquals(stage.log.filter((line) => line.startsWith("ERROR")), [
    "ERROR www: a listener to off -> starting failed: disk full",
    "ERROR www: a listener to starting -> ready failed: disk full",
  ]);
});

Deno.test("a subscription ends when it is disposed of, and no other one of the same listener with it", async () => {
  using stage = new Stage();
  let heard = 0;
  const listener = () => heard++;
  const { transitions } = stage.summoner;
  const first = transitions.subscribe(listener);
  const second = transitions.subscribe(listener);
  first[Symbol.dispose]();
  const { www } = await stage.www();
  await www.summon("a query");
  assertEquals(heard, 2);
  second[Symbol.dispose]();
  await www.stop("told to");
  assertEquals(heard, 2);
});

Deno.test("nobody outside can write what is read of a unikernel", async () => {
  using stage = new Stage();
  const { www } = await stage.www();
  const fields = ["unikernel", "state", "since", "ready", "starts"] as const;
  for (const field of [...fields, "failures", "failure", "usage"]) {
    assertThrows(() => Object.assign(www, { [field]: "changed" }), TypeError);
  }
});
