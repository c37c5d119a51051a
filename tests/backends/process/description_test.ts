import { assertEquals } from "@std/assert";
import { PROCESS } from "../../../src/backends/process/description.ts";

Deno.test("a value that can't be right is refused before anything is looked at, with what was expected", () => {
  const cases: [string, string, string | undefined][] = [
    ["command", "/no/such/program 'a b'", undefined],
    ["command", "x 'a", "another ' to close the one at character 3"],
    ["command", "", "a program and its arguments"],
    ["env", "A=", undefined],
    ["env", "A=b=c", undefined],
    ["env", "A", "NAME=VALUE"],
    ["env", "=b", "NAME=VALUE"],
    ["user", "www", undefined],
    ["user", "33:kvm", undefined],
    ["user", "www:", "USER or USER:GROUP"],
    ["user", "a:b:c", "USER or USER:GROUP"],
    ["kill_timeout", "0", undefined],
    ["kill_timeout", "2.5", undefined],
    ["kill_timeout", "-1", "a number of seconds"],
    ["kill_timeout", "5s", "a number of seconds"],
    ["kill_timeout", "", "a number of seconds"],
  ];
  for (const [key, value, expected] of cases) {
    const { expected: check } = PROCESS.keys.find(({ name }) => name === key)!;
    assertEquals(check!(value), expected, `${key}=${value}`);
  }
});

Deno.test("opening it takes nothing but Linux", async () => {
  const backend = await PROCESS.open({ connect: "xen:///" });
  await backend.close();
});
