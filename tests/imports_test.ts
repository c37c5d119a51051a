import { assertEquals } from "@std/assert";
import program from "../deno.json" with { type: "json" };
import tests from "./deno.json" with { type: "json" };

Deno.test("the tests run the program on the packages that it has", () => {
  const imports: Record<string, string> = tests.imports;
  for (const [name, specifier] of Object.entries(program.imports)) {
    assertEquals(imports[name], specifier, name);
  }
});

Deno.test("whoever runs the program downloads no package of the tests", async () => {
  const url = new URL("../deno.lock", import.meta.url);
  const { specifiers } = JSON.parse(await Deno.readTextFile(url));
  const known: string[] = Object.values(program.imports);
  const names = (specifier: string) => specifier.replace(/@[^@]*$/, "");
  const wanted = new Set(known.map(names));
  assertEquals(
    Object.keys(specifiers).map(names).filter((each) => !wanted.has(each)),
    [],
  );
});
