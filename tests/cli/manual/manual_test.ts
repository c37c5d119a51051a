import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { BACKENDS } from "../../../src/backends/registry.ts";
import { readCommandLine } from "../../../src/cli/read/command_line.ts";
import { renderGroff } from "../../../src/cli/manual/groff.ts";
import { COMMON_KEYS } from "../../../src/cli/read/keys.ts";
import { manual } from "../../../src/cli/manual/manual.ts";
import { BACKEND_OPTIONS, OPTIONS } from "../../../src/daemon/option_table.ts";
import { renderPlain, wrap } from "../../../src/cli/manual/plain.ts";
import { VERSION } from "../../../src/cli/version.ts";

const plain = renderPlain(manual());
const groff = renderGroff(manual());

/** The arguments that the shell gives to a `jitsu ...` command line. */
async function wordsOf(command: string): Promise<string[]> {
  const script = `jitsu() { printf '%s\\0' "$@"; }\n${command}`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script] })
    .output();
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

/** Runs a program on the man page's source; what it writes to stdout and stderr. */
async function onManPage(program: string, ...args: string[]) {
  const file = await Deno.makeTempFile({ suffix: ".1" });
  try {
    await Deno.writeTextFile(file, groff);
    const { stdout, stderr } = await new Deno.Command(program, {
      args: [...args, file],
      env: { LC_ALL: "C.UTF-8", MANWIDTH: "200", MAN_KEEP_FORMATTING: "" },
    }).output();
    const decoder = new TextDecoder();
    return [decoder.decode(stdout), decoder.decode(stderr)];
  } finally {
    await Deno.remove(file);
  }
}

function isMissing(program: string): boolean {
  try {
    new Deno.Command(program, { args: ["--version"], stderr: "null" })
      .outputSync();
    return false;
  } catch {
    // deno-lint-ignore no-console -- says why a test is skipped
    console.log(`${program} is not installed: its test of the man page is out`);
    return true;
  }
}

Deno.test("the help text fits into 80 columns", () => {
  for (const line of plain.split("\n")) assert(line.length <= 80, line);
});

Deno.test("the help text has no markup, and no white space at a line's end", () => {
  assert(!plain.includes("`"));
  assert(!/[ \t]$/m.test(plain));
  assert(plain.endsWith("\n"));
});

Deno.test("the help text has every option with its default", () => {
  assertStringIncludes(
    plain,
    "    -b ADDR[#PORT], --bind=ADDR[#PORT] (absent=127.0.0.1)\n        Serve DNS on ",
  );
  assertStringIncludes(plain, "    -h[FMT], --help[=FMT] (default=pager)\n");
  assertStringIncludes(plain, "    --stop-on-exit\n");
  for (const { name } of [...OPTIONS, ...BACKEND_OPTIONS]) {
    assert(new RegExp(`^    (-\\w.*, )?--${name}\\b`, "m").test(plain), name);
  }
});

Deno.test("the help text has every key, each backend's in a section of its own", () => {
  const sections = manual().map(({ title }) => title);
  for (
    const [title, keys] of [
      ["COMMON", COMMON_KEYS] as const,
      ...BACKENDS.map(({ name, keys }) => [name.toUpperCase(), keys] as const),
    ]
  ) {
    assert(sections.includes(`${title} CONFIGURATION`));
    const [, section] = plain.split(`\n${title} CONFIGURATION\n`);
    for (const { name } of keys) {
      assert(new RegExp(`^    ${name}( |$)`, "m").test(section), name);
    }
  }
});

Deno.test("every example of the manual is a command line that serves", async () => {
  const commands = manual().flatMap(({ blocks }) =>
    blocks.flatMap((block) => "command" in block ? [block.command] : [])
  );
  assert(commands.length >= 5);
  for (const command of commands) {
    const request = readCommandLine(await wordsOf(command));
    assertEquals(request.kind, "serve", command);
  }
});

Deno.test("the original's examples over several lines are one CONFIG", async () => {
  const words = await wordsOf(
    `jitsu -c xen:/// \\\ndns=www.openmirage.org,\\\nip=192.168.0.22,\\\nname=mirage-www`,
  );
  assertEquals(words, [
    "-c",
    "xen:///",
    "dns=www.openmirage.org,ip=192.168.0.22,name=mirage-www",
  ]);
  assertEquals(readCommandLine(words).kind, "serve");
});

Deno.test("a text is broken at white space, and only where a line is full", () => {
  assertEquals(wrap("a bb  ccc\nd", 6), ["a bb", "ccc d"]);
  assertEquals(wrap("aaaaaaaa b", 4), ["aaaaaaaa", "b"]);
  assertEquals(wrap("", 4), [""]);
});

Deno.test("the man page names the version and keeps every character of a text", () => {
  assert(groff.startsWith(".TH JITSU 1 "));
  assertStringIncludes(groff, `"Jitsu ${VERSION}"`);
  assertEquals(
    renderGroff([{
      title: "X",
      blocks: [{ text: ".a 'b' `\\,` --c ~^" }, { text: "..." }],
    }]).split("\n").slice(2),
    [
      "\\&.a \\(aqb\\(aq \\fB\\e,\\fR \\-\\-c \\(ti\\(ha",
      ".PP",
      "\\&...",
      "",
    ],
  );
});

Deno.test({
  name: "man formats the man page without a warning",
  ignore: isMissing("man"),
  fn: async () => {
    const [text, warnings] = await onManPage(
      "man",
      "--warnings",
      "--encoding=ascii",
      "--nj",
      "--nh",
      "-l",
    );
    assertEquals(warnings, "");
    assertStringIncludes(text, "jitsu - Just-In-Time Summoning of Unikernels");
    const words = (text: string) => text.replace(/\s+/g, " ");
    const section = /\nOPTIONS\n(.*?)\nCOMMON CONFIGURATION\n/s;
    assertEquals(
      words(section.exec(text)![1]),
      words(section.exec(plain)![1]),
    );
  },
});

Deno.test({
  name: "mandoc finds nothing to say about the man page",
  ignore: isMissing("mandoc"),
  fn: async () => {
    assertEquals(await onManPage("mandoc", "-T", "lint", "-W", "all"), [
      "",
      "",
    ]);
  },
});
