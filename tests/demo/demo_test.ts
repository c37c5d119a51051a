import { assertEquals } from "@std/assert";
import { REPOSITORY } from "../e2e/harness.ts";

Deno.test("the demo plays to its end and says how long each step took", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${REPOSITORY}src/demo/demo.ts`],
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, text);
  const steps = [...text.matchAll(/^ *\d+\.\d{3} s {2}(\S.*?) {2,}\S/gm)];
  assertEquals(steps.map(([, title]) => title), [
    "Jitsu starts",
    "nothing runs",
    "cold query",
    "visit",
    "warm query",
    "visit",
    "idle",
    "cold again",
    "visit",
    "SIGTERM",
  ], text);
});
