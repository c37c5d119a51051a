import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Deadlines } from "../../../src/dns/forward/deadlines.ts";

Deno.test("what is not called off is called when its time has come, and not much later", () => {
  using time = new FakeTime(0);
  const deadlines = new Deadlines(Date.now);
  const called: string[] = [];
  const add = (ms: number, name: string) =>
    deadlines.add(ms, () => called.push(name));
  add(300, "c");
  const callOff = add(100, "a");
  add(200, "b");
  add(200, "b again");
  add(100, "at the time of one that is called off");
  callOff();
  time.tick(99);
  assertEquals(called, []);
  time.tick(21);
  assertEquals(called.splice(0), ["at the time of one that is called off"]);
  time.tick(100);
  assertEquals(called.splice(0), ["b", "b again"]);
  time.tick(100);
  assertEquals(called, ["c"]);
});

Deno.test("a deadline may be set and called off while another is met", () => {
  using time = new FakeTime(0);
  const deadlines = new Deadlines(Date.now);
  const called: string[] = [];
  deadlines.add(100, () => {
    called.push("first");
    callOff();
    deadlines.add(150, () => called.push("third"));
  });
  const callOff = deadlines.add(120, () => called.push("second"));
  time.tick(400);
  assertEquals(called, ["first", "third"]);
});

Deno.test("no timer is left when all deadlines were called off", () => {
  const deadlines = new Deadlines();
  const first = deadlines.add(performance.now() + 1e6, () => {});
  const second = deadlines.add(performance.now() + 1e5, () => {});
  second();
  second();
  first(); // the test fails where a timer is left
});
