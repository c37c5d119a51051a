/**
 * README's recipe for a backend, followed to the letter in a copy of the program.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { canDig, Jitsu, REPOSITORY } from "../e2e/harness.ts";

const REGISTRY = "src/backends/registry.ts";

/** A copy of the program with the backend `toy`: its folder, and two lines in the registry. */
async function copyWithToy(): Promise<string> {
  const copy = await Deno.makeTempDir({ prefix: "jitsu-recipe-" });
  for (
    const each of ["main.ts", "deno.json", "deno.lock", "src"]
  ) {
    await copyOf(REPOSITORY + each, `${copy}/${each}`);
  }
  await copyOf(`${REPOSITORY}tests/recipes/toy`, `${copy}/src/backends/toy`);
  const registry = await Deno.readTextFile(`${copy}/${REGISTRY}`);
  const extended = registry
    .replace(
      "\n\n/** In the",
      '\nimport { TOY } from "./toy/description.ts";$&',
    )
    .replace("\n];", "\n  TOY,$&");
  await Deno.writeTextFile(`${copy}/${REGISTRY}`, extended);
  return copy;
}

async function copyOf(from: string, to: string): Promise<void> {
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  const { success } = await new Deno.Command("cp", { args: ["-r", from, to] })
    .output();
  assertEquals(success, true, `copy of ${from}`);
}

async function isThere(file: string): Promise<boolean> {
  try {
    await Deno.stat(file);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test({
  name:
    "a backend that is a folder and a line in the registry starts, stops, and is refused what it cannot do",
  ignore: !canDig,
  async fn() {
    const copy = await copyWithToy();
    const command = [Deno.execPath(), "run", "-A", `${copy}/main.ts`];
    const file = `${copy}/machine`;
    const config = `dns=www.test,ip=127.0.0.2,name=www,file=${file}`;
    try {
      const args = ["-x", "toy", "--stop-on-exit", config];
      await using jitsu = await Jitsu.startAs(command, ...args);
      assertEquals(await isThere(file), false);
      const { answers } = await jitsu.dig("www.test");
      assertEquals(answers.map(({ data }) => data), ["127.0.0.2"]);
      assertEquals(await isThere(file), true);
      assertEquals((await jitsu.stop()).code, 0);
      assertEquals(await isThere(file), false);

      for (
        const [words, why] of [
          [
            [`${config},wait_for_key=data`],
            /wait_for_key is of no use with toy/,
          ],
          [[`${config},use_synjitsu=1`], /use_synjitsu is of no use with toy/],
          [["--catch=lo", config], /--catch is of no use with toy/],
        ] as const
      ) {
        const { code, stderr } = await new Deno.Command(command[0], {
          args: [...command.slice(1), "-x", "toy", ...words],
        }).output();
        assertEquals(code, 1);
        assertMatch(new TextDecoder().decode(stderr), why);
      }
    } finally {
      await Deno.remove(copy, { recursive: true });
    }
  },
});
