import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { lineFinder } from "../../../src/cli/read/config_lines.ts";
import { readCommandLine } from "../../../src/cli/read/command_line.ts";
import { TestDirectory } from "../../backends/process/support.ts";

/** What the command line with a file of this text, and these words, is read as. */
function read(text: string, ...words: string[]) {
  using dir = new TestDirectory();
  const path = `${dir.path}/jitsu.toml`;
  Deno.writeTextFileSync(path, text);
  const request = readCommandLine([`--config=${path}`, ...words]);
  return {
    request,
    problems: request.kind === "refuse"
      ? request.problems.map((problem) => problem.replaceAll(path, "FILE"))
      : [],
    options: request.kind === "serve" ? request.options : undefined,
  };
}

const WWW = `
[[unikernel]]
name = "www"
dns = ["www.example.org", "example.org"]
ip = "10.0.0.1"
wait_for_tcp = 80
wait_required = true
env = ["A=1", "B=x, y"]
command = "serve --port 80"
`;

Deno.test("a file says what a command line can say", () => {
  const { options, problems } = read(`
backend = "process" # it is
ttl = 7
delay = 0.5
allow = ["192.0.2.0/24"]
forwarder = "192.0.2.1#5353"
serve-stale = true
stop-on-exit = true
nsid = "ns1"
${WWW}`);
  assertEquals(problems, []);
  const typed = readCommandLine([
    ...["-x", "process", "-t", "7", "-d", "0.5", "--allow=192.0.2.0/24"],
    ...["-f", "192.0.2.1#5353", "--serve-stale", "--stop-on-exit"],
    "--nsid=ns1",
    "name=www,dns=www.example.org,dns=example.org,ip=10.0.0.1,wait_for_tcp=80,wait_required=true,env=A=1,env=B=x\\, y,command=serve --port 80",
  ]);
  if (typed.kind !== "serve") throw new Error("it is refused");
  // What is only of the file is beside what it says.
  const { config, ...said } = options!;
  assertMatch(config ?? "", /\/jitsu\.toml$/);
  const data = (options: object) => JSON.parse(JSON.stringify(options));
  const [www] = said.unikernels;
  assertEquals(www.fromFile, true);
  assertEquals(
    data({ ...said, unikernels: [{ ...www, fromFile: false }] }),
    data(typed.options),
  );
});

Deno.test("what the command line says wins over the file", () => {
  const { options } = read(
    `backend = "process"\nttl = 7\nforwarder = ["192.0.2.1", "192.0.2.2"]\n${WWW}`,
    ...["--ttl=8", "-f", "192.0.2.3"],
    "name=www,dns=other.example,ip=10.0.0.2,command=true",
  );
  assertEquals(
    options!.unikernels.map(({ dns, ttl, fromFile }) => [dns, ttl, fromFile]),
    [[["other.example"], 8, false]],
  );
  assertEquals(options!.forwarding.servers, [
    { address: "192.0.2.3", port: 53 },
  ]);
});

Deno.test("a text that is not TOML is told with line and column", () => {
  assertEquals(read(`ttl = 7\nbind = "127.0.0.1\n`).problems, [
    "FILE:2:18: not TOML: control characters are not allowed in strings",
  ]);
});

Deno.test("everything that is wrong with a file is told at once, in the command line's words and with its line", () => {
  assertEquals(
    read(`# the first line
ttl = 0
backned = "process"
backend = "process"
version = true
stop-on-exit = "yes"
max-starts = [1, 2]
bind = 1979-05-27

[[unikernel]]
name = "a"
dns = [
  "a.example",
]
ip = "x"
command = """
sleep
1"""
comand = "y"

# another
[[unikernel]]
ip = "10.0.0.2"
name = "a"
dns = "b.example"
mode = "suspnd"
env.A = "1"
`).problems,
    [
      "FILE:3: option backned is unknown; did you mean backend?",
      "FILE:5: version is for the command line only",
      "FILE:6: stop-on-exit is not true or false",
      "FILE:7: max-starts is an array, and can be given once only",
      "FILE:8: bind is not a string, a number, true, false, or an array of these",
      "FILE:27: env is not a string, a number, true, false, or an array of these",
      'FILE:2: ttl "0" is not a TTL of at least 1: a machine is stopped after 2 x TTL seconds without a request',
      "FILE:19: key comand is unknown; did you mean command?",
      'FILE:15: ip "x" is not an IPv4 or IPv6 address',
      "FILE:22: command is missing",
      'FILE:26: mode "suspnd" is not one of destroy, suspend, shutdown; did you mean suspend?',
      'FILE:24: name "a" is that of FILE:10 too',
    ],
  );
});

Deno.test("a table of one unikernel has to be one of an array", () => {
  assertEquals(read(`ttl = 1\n[unikernel]\nname = "a"\n`).problems, [
    "FILE:2: unikernel is not an array of tables: write [[unikernel]]",
  ]);
});

Deno.test("a value that no command line can hold is told", () => {
  assertEquals(read(`nsid = "a\\u0000b"`).problems, [
    "FILE:1: nsid has a NUL character",
  ]);
});

Deno.test("a file that is not there is told", () => {
  const request = readCommandLine(["--config=/nonexistent/jitsu.toml"]);
  assertEquals(request.kind === "refuse" && request.problems.length, 1);
});

/** A value on one line or on several. */
const value = fc.constantFrom(
  "1",
  '"text"',
  '[\n  "a", # one\n  "b",\n]',
  '"""\n[[unikernel]]\nname = 1\n"""',
  "'''\n# no comment\n'''",
);
const filler = fc.constantFrom("", "# name = 1", "  ", "# [[unikernel]]");

Deno.test("each key is found on the line that it begins on", () => {
  const entry = fc.record({ value, filler });
  const table = fc.array(entry, { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(table, fc.array(table), (top, tables) => {
    const lines: string[] = [];
    const expected: [number | undefined, string | undefined, number][] = [];
    const write = (
      entries: { value: string; filler: string }[],
      index?: number,
    ) => {
      for (const [i, { value, filler }] of entries.entries()) {
        lines.push(filler);
        expected.push([index, `key${i}`, lines.length + 1]);
        lines.push(...`key${i} = ${value}`.split("\n"));
      }
    };
    write(top);
    for (const [i, entries] of tables.entries()) {
      lines.push("[[unikernel]]");
      expected.push([i, undefined, lines.length]);
      write(entries, i);
    }
    for (const newline of ["\n", "\r\n"]) {
      const lineOf = lineFinder(lines.join(newline));
      assertEquals(
        expected.map(([index, key]) => lineOf(index, key)),
        expected.map(([, , line]) => line),
      );
    }
  }));
});
