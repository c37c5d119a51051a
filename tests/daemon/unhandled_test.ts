import { assertEquals, assertMatch } from "@std/assert";

const resolve = (path: string) => JSON.stringify(import.meta.resolve(path));

/** What a process that outlives the unhandled prints on stdout and stderr, the one more thing that it does included. */
async function outlive(unhandled: string): Promise<[string, string]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { outliveUnhandled } from ${
        resolve("../../src/daemon/unhandled.ts")
      };
      import { setupLog } from ${resolve("../../src/log.ts")};
      setupLog({ format: "human", level: "error" });
      outliveUnhandled();
      ${unhandled};
      setTimeout(() => console.log("lives"), 10);`,
    ],
  }).output();
  const [out, log] = [stdout, stderr].map((octets) =>
    new TextDecoder().decode(octets)
  );
  assertEquals(code, 0, log);
  return [out, log];
}

Deno.test("what is thrown in a timer is logged, and the process lives on", async () => {
  const [out, log] = await outlive(
    `setTimeout(() => { throw new Error("of a timer"); })`,
  );
  assertEquals(out, "lives\n");
  assertMatch(log, /ERROR.*internal error: Error: of a timer/);
});

Deno.test("the rejection of a promise that nobody waits for is logged, and the process lives on", async () => {
  const [out, log] = await outlive(
    `Promise.reject(new Error("of a promise"))`,
  );
  assertEquals(out, "lives\n");
  assertMatch(log, /ERROR.*internal error: Error: of a promise/);
});

Deno.test("what is thrown and is no error is logged as it is", async () => {
  const [out, log] = await outlive(`Promise.reject("of a string")`);
  assertEquals(out, "lives\n");
  assertMatch(log, /ERROR.*internal error: of a string/);
});
