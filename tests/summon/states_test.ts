import { assert, assertEquals } from "@std/assert";
import { mayLead, RULES, type SummonState } from "../../src/summon/states.ts";

/** Written down beside the rules, so that one that is too generous is noticed. */
const AFTER: Record<SummonState, SummonState[]> = {
  off: ["starting", "paused", "suspended"],
  paused: ["starting", "stopping", "off", "suspended"],
  suspended: ["starting", "stopping", "off", "paused"],
  failed: ["starting", "stopping"],
  starting: ["ready", "failed", "stopping", "paused", "suspended"],
  ready: ["starting", "failed", "stopping", "off", "paused", "suspended"],
  stopping: ["off", "paused", "suspended", "ready", "starting"],
};
const STATES = Object.keys(AFTER) as SummonState[];

for (const [from, after] of Object.entries(AFTER)) {
  Deno.test(`${from} leads to ${after.join(", ")}, and nowhere else`, () => {
    const may = STATES.filter((to) => mayLead(from as SummonState, to));
    assertEquals(may.toSorted(), after.toSorted());
  });
}

Deno.test("each rule says when, and names no state twice", () => {
  for (const { from, when, to } of RULES) {
    assert(when !== "" && from.length > 0 && to.length > 0);
    assertEquals(new Set(from).size, from.length, when);
    assertEquals(new Set(to).size, to.length, when);
  }
});
