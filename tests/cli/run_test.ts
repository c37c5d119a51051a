/**
 * The program as a child process: what it writes where, and how it ends.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { manual } from "../../src/cli/manual/manual.ts";
import { renderGroff } from "../../src/cli/manual/groff.ts";
import { renderPlain } from "../../src/cli/manual/plain.ts";
import config from "../../deno.json" with { type: "json" };

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const DENO = Deno.execPath();
const PROCESS = "dns=a.test,ip=127.0.0.2,name=a,command=sleep 60";

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

async function outcome(command: Deno.Command): Promise<Outcome> {
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** Runs the program with every permission. */
function jitsu(...args: string[]): Promise<Outcome> {
  return outcome(
    new Deno.Command(DENO, { args: ["run", "-A", MAIN, ...args] }),
  );
}

/** Runs the program with no permission at all: it fails when it touches anything. */
function jitsuWithoutPermissions(...args: string[]): Promise<Outcome> {
  return outcome(
    new Deno.Command(DENO, { args: ["run", "--no-prompt", MAIN, ...args] }),
  );
}

/** Runs the program on a terminal, with this pager. */
async function jitsuOnTerminal(pager: string): Promise<Outcome> {
  return await outcome(
    new Deno.Command("script", {
      args: ["-qec", `"${DENO}" run -A "${MAIN}" --help`, "/dev/null"],
      env: { PAGER: pager },
      stdin: "null",
    }),
  );
}

const hasScript = await outcome(new Deno.Command("script", { args: ["-V"] }))
  .then(() => true, () => {
    // deno-lint-ignore no-console -- says why tests are skipped
    console.log("script(1) is not installed: tests on a terminal are out");
    return false;
  });

Deno.test("the version is the one in deno.json", async () => {
  assertEquals(await jitsuWithoutPermissions("--version"), {
    code: 0,
    stdout: `jitsu ${config.version}\n`,
    stderr: "",
  });
});

Deno.test("help is plain text where stdout is no terminal", async () => {
  const stdout = renderPlain(manual());
  for (const word of ["-h", "--help=plain"]) {
    assertEquals(await jitsu(word), { code: 0, stdout, stderr: "" });
  }
});

Deno.test("help is the man page's source where that is asked for", async () => {
  assertEquals(await jitsuWithoutPermissions("--help=groff"), {
    code: 0,
    stdout: renderGroff(manual()),
    stderr: "",
  });
});

Deno.test("a command line that is wrong is told on stderr, touches nothing and exits 1", async () => {
  assertEquals(
    await jitsuWithoutPermissions("--delya", "0.3", "dns=a,ip=x,name=a"),
    {
      code: 1,
      stdout: "",
      stderr: "jitsu: option --delya is unknown; did you mean --delay?\n" +
        'jitsu: CONFIG 1 (dns=a,ip=x,name=a): ip "x" is not an IPv4 or IPv6 address\n',
    },
  );
});

Deno.test("no CONFIG at all is wrong, and the way to the help is told", async () => {
  const { code, stderr } = await jitsuWithoutPermissions();
  assertEquals(code, 1);
  assertMatch(stderr, /^jitsu: there is no CONFIG: .*jitsu --help\)\n$/);
});

Deno.test("a port that is taken is told in a line, and exits 2", async () => {
  const taken = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  try {
    const { port } = taken.addr as Deno.NetAddr;
    const { code, stderr } = await jitsu("-x", "process", `-l${port}`, PROCESS);
    assertEquals(code, 2);
    assertMatch(
      stderr,
      new RegExp(`^jitsu: .*127\\.0\\.0\\.1.*${port}.*taken.*\\n$`),
    );
  } finally {
    taken.close();
  }
});

Deno.test("a program that is not there is told in a line, and exits 2", async () => {
  const { code, stderr } = await jitsu(
    ...["-x", "process", "-l0"],
    "dns=a.test,ip=127.0.0.2,name=a,command=/nonexistent/program",
  );
  assertEquals(code, 2);
  assertMatch(stderr, /^jitsu: .*\/nonexistent\/program.*\n$/);
});

Deno.test("a backend that cannot be reached is told without the URI's password, and exits 2", async () => {
  const { code, stderr } = await jitsu(
    ...["-c", "qemu+tcp://user:SECRET@127.0.0.1:1/system", "-l0"],
    "dns=a.test,ip=127.0.0.2,name=a",
  );
  assertEquals(code, 2);
  assertMatch(stderr, /^jitsu: .*\n$/m);
  assert(!stderr.includes("SECRET"), stderr);
});

Deno.test("a reader of the help that stops early does no harm", async () => {
  const { code, stdout, stderr } = await outcome(
    new Deno.Command("bash", {
      args: [
        "-c",
        `"${DENO}" run -A "${MAIN}" --help=plain | true; exit \${PIPESTATUS[0]}`,
      ],
    }),
  );
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
});

function testOnTerminal(name: string, fn: () => Promise<void>) {
  Deno.test({ name, ignore: !hasScript, fn });
}

testOnTerminal("help on a terminal is in the user's pager", async () => {
  const { code, stdout } = await jitsuOnTerminal("sed 's/^/paged: /'");
  assertEquals(code, 0);
  assertMatch(stdout, /^paged: NAME\r\npaged: {5}jitsu - /);
});

testOnTerminal(
  "help on a terminal is plain where the pager is missing",
  async () => {
    const { code, stdout } = await jitsuOnTerminal("/nonexistent/pager");
    assertEquals(code, 0);
    assertMatch(stdout, /^NAME\r$/m);
  },
);

testOnTerminal("a pager that is left early ends well", async () => {
  const { code, stdout } = await jitsuOnTerminal("head -n 1");
  assertEquals([code, stdout], [0, "NAME\r\n"]);
});
