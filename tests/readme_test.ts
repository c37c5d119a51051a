import { assertEquals, assertGreater } from "@std/assert";
import { readCommandLine } from "../src/cli/read/command_line.ts";
import { canDig, dig, freePort, Jitsu, REPOSITORY } from "./e2e/harness.ts";

const README = await Deno.readTextFile(`${REPOSITORY}README.md`);
const decoder = new TextDecoder();

/** The arguments of every `jitsu` command line in README's shell examples, split by a real shell. */
async function commandLines(): Promise<string[][]> {
  const blocks = [...README.matchAll(/^```sh\n(.*?)^```/gms)].map(([, text]) =>
    text
  )
    .filter((text) => text.startsWith("jitsu "));
  const all: string[][] = [];
  for (const block of blocks) {
    const script = `jitsu() { printf '%s\\0' "$@"; }\n${block}`;
    const { stdout, success } = await new Deno.Command("sh", {
      args: ["-ec", script],
    }).output();
    assertEquals(success, true, block);
    all.push(decoder.decode(stdout).split("\0").slice(0, -1));
  }
  return all;
}

Deno.test("every command line in README is one that Jitsu takes", async () => {
  const lines = await commandLines();
  assertGreater(lines.length, 5);
  for (const line of lines) {
    const request = readCommandLine(line);
    assertEquals(
      request.kind === "refuse" ? request.problems : [],
      [],
      line.join(" "),
    );
  }
});

Deno.test({
  name: "README's example of the process backend does what README says",
  ignore: !canDig,
  async fn() {
    const example = (await commandLines()).find((line) =>
      line.includes("-x") && line.join(" ").includes("http.server")
    )!;
    const httpPort = freePort();
    const config = example.at(-1)!.replaceAll("8080", String(httpPort));
    await using jitsu = await Jitsu.start(
      "-x",
      "process",
      "-f",
      "0.0.0.0",
      config,
    );
    const { status, answers } = await dig(jitsu, "hello.example.org");
    assertEquals([status, answers[0]?.data], ["NOERROR", "127.0.0.1"]);
    const response = await fetch(`http://127.0.0.1:${httpPort}/`);
    await response.body?.cancel();
    assertEquals(response.status, 200);
  },
});

Deno.test("every task that README names is there", async () => {
  const { tasks } = JSON.parse(
    await Deno.readTextFile(`${REPOSITORY}deno.json`),
  );
  for (
    const [, name] of README.matchAll(
      /(?:deno|deno@[0-9.]+) task ([a-z0-9:]+)/g,
    )
  ) {
    assertEquals(typeof tasks[name], "string", name);
  }
});

Deno.test("jitsu check finds nothing wrong with README's configuration files", async () => {
  const files = [...README.matchAll(/^```toml\n(.*?)^```/gms)].map(([, text]) =>
    text
  );
  assertGreater(files.length, 2);
  const file = await Deno.makeTempFile({ suffix: ".toml" });
  try {
    for (const text of files) {
      await Deno.writeTextFile(file, text);
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", `${REPOSITORY}main.ts`, "check", file],
      }).output();
      assertEquals([code, decoder.decode(stderr)], [0, ""], text);
    }
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("every file and folder of the source that README names is there", async () => {
  const paths = [...README.matchAll(/\b(?:src|tests)\/[\w./-]*\w/g)];
  assertGreater(paths.length, 10);
  for (const [path] of paths) await Deno.stat(REPOSITORY + path);
});
