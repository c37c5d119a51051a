import { assertEquals } from "@std/assert";
import { readKeys } from "../../../src/values/key.ts";
import { PROCESS } from "../../../src/backends/process/description.ts";

Deno.test("a value that can't be right is refused before anything is looked at, with what was expected", () => {
  const cases: [string, string, string | undefined][] = [
    ["command", "/no/such/program 'a b'", undefined],
    [
      "command",
      "x 'a",
      "a program and its arguments: another ' is missing to close the one at character 3",
    ],
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
    ["kill_timeout", "-1", "a number of seconds (0 to 2147483)"],
    ["kill_timeout", "5s", "a number of seconds (0 to 2147483)"],
    ["kill_timeout", "", "a number of seconds (0 to 2147483)"],
  ];
  for (const [name, text, expected] of cases) {
    const problems: string[] = [];
    readKeys(
      PROCESS.keys,
      new Map([[name, [text]]]),
      (problem) => problems.push(problem),
    );
    assertEquals(
      problems,
      expected === undefined ? [] : [`${name} "${text}" is not ${expected}`],
    );
  }
});

Deno.test("opening it takes nothing but Linux", async () => {
  const backend = await PROCESS.open({ connect: "xen:///" });
  await backend.close();
});
