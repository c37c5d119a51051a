import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { readArguments } from "../../../src/cli/read/args.ts";
import { OPTIONS } from "../../../src/daemon/option_table.ts";
import { formatNetwork, type Network } from "../../../src/net/network.ts";

const CONFIG = "dns=a,ip=10.0.0.1,name=a";

/** The values that are not the defaults. */
function given(...argv: string[]) {
  const { values, problems } = readArguments([...argv, CONFIG]);
  assertEquals(problems, [], argv.join(" "));
  const defaults: Record<string, unknown> = readArguments([CONFIG]).values;
  return Object.fromEntries(
    Object.entries(values).filter(([name, value]) =>
      JSON.stringify(value) !== JSON.stringify(defaults[name])
    ),
  );
}

const problemsOf = (...argv: string[]) => readArguments(argv).problems;

Deno.test("the defaults are those of the last original release", () => {
  const { where: _, ...said } = readArguments([CONFIG]);
  assertEquals(said, {
    values: {
      adopt: undefined,
      allow: [],
      answer: "late",
      bind: [{ address: "127.0.0.1", port: undefined }],
      catch: [],
      "cache-size": 10000,
      config: undefined,
      connect: "xen:///",
      control: undefined,
      delay: 0.1,
      forward: [],
      forwarder: [],
      front: [],
      help: undefined,
      listen: 53,
      "log-format": "human",
      "log-level": "info",
      "max-starts": 8,
      mode: "destroy",
      nsid: undefined,
      persistdb: undefined,
      port: 53,
      "private-answers": "auto",
      "rate-limit": 1000,
      "rebind-ok": [],
      "serve-stale": undefined,
      "start-limit": 64,
      "start-proof": "auto",
      "stop-on-exit": false,
      synjitsu: undefined,
      ttl: 60,
      version: false,
      backend: "libvirt",
    },
    settings: new Map(),
    configs: [CONFIG],
    unikernels: [],
    problems: [],
  });
});

Deno.test("every option that takes a value takes it in each way of writing", () => {
  const values: Record<string, [text: string, value: unknown]> = {
    bind: ["::1#0", [{ address: "::1", port: 0 }]],
    connect: ["qemu+ssh://a@b/system?x=1,y=2", "qemu+ssh://a@b/system?x=1,y=2"],
    delay: ["0.5", 0.5],
    "cache-size": ["0", 0],
    forward: [
      "Corp.example=192.0.2.1",
      [{
        domain: "corp.example",
        server: { address: "192.0.2.1", port: undefined },
      }],
    ],
    forwarder: ["::1#5300", [{ address: "::1", port: 5300 }]],
    listen: ["0", 0],
    "log-format": ["json", "json"],
    "log-level": ["debug", "debug"],
    "max-starts": ["2", 2],
    mode: ["suspend", "suspend"],
    nsid: ["ns1", "ns1"],
    port: ["5353", 5353],
    "rate-limit": ["0", 0],
    "start-limit": ["9", 9],
    ttl: ["1", 1],
    backend: ["process", "process"],
  };
  for (const [name, [text, value]] of Object.entries(values)) {
    const option = OPTIONS.find((each) => each.name === name)!;
    const expected = { [name]: value };
    assertEquals(given(`--${name}=${text}`), expected);
    assertEquals(given(`--${name}`, text), expected);
    if (!("short" in option)) continue;
    assertEquals(given(`-${option.short}`, text), expected);
    assertEquals(given(`-${option.short}${text}`), expected);
    assertEquals(given(`-${option.short}=${text}`), expected);
  }
});

Deno.test("an option whose value can be left out takes the one it has and not the next word", () => {
  assertEquals(given("--help=groff"), { help: "groff" });
  assertEquals(given("-hgroff"), { help: "groff" });
  assertEquals(given("--serve-stale=60"), { "serve-stale": 60 });
  assertEquals(given("--serve-stale"), { "serve-stale": 86400 });
  assertEquals(readArguments(["--serve-stale", "a,b,c"]).configs, ["a,b,c"]);
});

Deno.test("flags take no value and leave the next word alone", () => {
  assertEquals(given("--stop-on-exit"), { "stop-on-exit": true });
  assertEquals(given("--version"), { version: true });
  assertEquals(problemsOf("--version=1", "--stop-on-exit=false", CONFIG), [
    "option --version takes no value",
    "option --stop-on-exit takes no value",
  ]);
});

Deno.test("help without a format is for the pager", () => {
  for (const word of ["-h", "--help", "--help="]) {
    assertEquals(readArguments([word]).values.help, "pager");
  }
  assertEquals(readArguments(["-h", "-x", "process"]).values.help, "pager");
});

Deno.test("options and CONFIGs come in any order, and -- ends the options", () => {
  const { values, configs, problems } = readArguments(
    ["a,b,c", "-t", "5", "10", "--stop-on-exit", "d,e,f", "--", "-t", "11"],
  );
  assertEquals(problems, []);
  assertEquals(values.ttl, 5);
  assertEquals(configs, ["a,b,c", "10", "d,e,f", "-t", "11"]);
});

Deno.test("an unknown option is told with the nearest known one", () => {
  const cases: Record<string, string> = {
    "--delya": "--delya is unknown; did you mean --delay?",
    "--delya=0.3": "--delya is unknown; did you mean --delay?",
    "--log": "--log is unknown; did you mean --log-format?",
    "--stop_on_exit": "--stop_on_exit is unknown; did you mean --stop-on-exit?",
    "--bind-address": "--bind-address is unknown; did you mean --bind?",
    "-delay": "-delay is unknown; did you mean --delay?",
    "-delay=0.1": "-delay is unknown; did you mean --delay?",
    "-mode=destroy": "-mode is unknown; did you mean --mode?",
    "-T": "-T is unknown; did you mean -t?",
    "-z": "-z is unknown",
    "-z5": "-z5 is unknown",
    "-_": "-_ is unknown",
    "--_=x": "--_ is unknown",
    "--b": "--b is unknown; did you mean --bind?",
    "--b=::1": "--b is unknown; did you mean --bind?",
    "--no-bind=::": "--no-bind is unknown; did you mean --bind?",
    "--a.b=c": "--a.b is unknown",
    "--=x": "--=x is unknown",
    "-=x": "-=x is unknown",
    "---": "--- is unknown",
    "--__proto__=x": "--__proto__ is unknown",
    "--constructor": "--constructor is unknown",
    "--toString.x=y": "--toString.x is unknown",
  };
  for (const [word, problem] of Object.entries(cases)) {
    const { values, problems } = readArguments([CONFIG, word]);
    assertEquals(problems, [`option ${problem}`]);
    assertEquals(values, readArguments([CONFIG]).values, word);
  }
});

Deno.test("an unknown option that took the CONFIG along is told, the CONFIG not missed", () => {
  assertEquals(problemsOf("--foo", CONFIG), ["option --foo is unknown"]);
});

Deno.test("an option without its value is told", () => {
  const problem = "option --bind needs a value: ADDR[#PORT]";
  assertEquals(problemsOf(CONFIG, "-b"), [problem]);
  assertEquals(problemsOf(CONFIG, "--bind"), [problem]);
  assertEquals(problemsOf("--bind=", CONFIG), [problem]);
  assertEquals(problemsOf("--bind", "--ttl=5", CONFIG), [problem]);
});

Deno.test("an option given twice is told", () => {
  assertEquals(problemsOf("-t", "5", "--ttl=6", CONFIG), [
    "option --ttl is given 2 times, once is the most",
  ]);
});

Deno.test("a bad value is shown with what was expected", () => {
  assertEquals(
    problemsOf(
      CONFIG,
      ...["-b", "localhost", "-d", "soon", "-f", "::", "-l", "65536"],
      ...["-p0", "-t0", "-m", "stop", "--log-level=warning", "--help=man"],
    ),
    [
      'option --bind "localhost" is not an IPv4 or IPv6 address',
      'option --delay "soon" is not a number of seconds (0 to 2147483)',
      'option --forwarder "::" is not the address of one host: it is the unspecified address',
      'option --help "man" is not one of pager, plain, groff',
      'option --listen "65536" is not a port number (0 to 65535)',
      'option --log-level "warning" is not one of debug, info, warn, error; did you mean warn?',
      'option --mode "stop" is not one of destroy, suspend, shutdown',
      'option --port "0" is not a port number (1 to 65535)',
      'option --ttl "0" is not a TTL of at least 1: a machine is stopped after 2 x TTL seconds without a request',
    ],
  );
});

Deno.test("a database makes do for a CONFIG", () => {
  const { problems, values, configs } = readArguments(["--persistdb=x"]);
  assertEquals([problems, values.persistdb, configs], [[], "x", []]);
});

Deno.test("a command line without a CONFIG is told how to give one", () => {
  for (const argv of [[], ["-t", "5"], ["--"]]) {
    const [problem, ...others] = problemsOf(...argv);
    assertEquals(others, []);
    assert(/^there is no CONFIG: .*--help/.test(problem));
  }
});

Deno.test("any words at all give values and problems", () => {
  const word = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.stringMatching(/^--?[a-z_.=-]{0,8}$/),
    fc.constantFrom(
      ...OPTIONS.map(({ name }) => `--${name}`),
      "--__proto__",
      "--constructor.prototype.x=1",
      "-_",
      "--_",
      "--",
      "",
    ),
  );
  const names = OPTIONS.map(({ name }) => name);
  fc.assert(fc.property(fc.array(word), (argv) => {
    const { values, configs, problems } = readArguments(argv);
    assertEquals(Object.keys(values), names);
    const isEnough = values.persistdb !== undefined;
    assert(isEnough || configs.length + problems.length > 0);
    for (const problem of problems) assert(!/\p{Cc}/u.test(problem));
    assertEquals("x" in {}, false);
  }));
});

Deno.test("every word before -- is a CONFIG, has to do with an option, or is told", () => {
  const word = fc.stringMatching(/^-{0,3}[a-z_.=-]{1,6}$/);
  fc.assert(fc.property(word.filter((each) => each !== "--"), (text) => {
    const { values, configs, problems } = readArguments([text, "--", CONFIG]);
    const isConfig = configs.length === 2;
    const isOption = JSON.stringify(values) !==
      JSON.stringify(readArguments([CONFIG]).values);
    assert(isConfig || isOption || problems.length === 1, text);
  }));
});

Deno.test("an option that may be repeated has all its values, in order", () => {
  const { allow } = given("--allow", "192.0.2.0/24", "--allow=2001:db8::/32");
  assertEquals((allow as Network[]).map(formatNetwork), [
    "192.0.2.0/24",
    "2001:db8::/32",
  ]);
  assertEquals(problemsOf("--allow", "192.0.2.0/33", CONFIG), [
    'option --allow "192.0.2.0/33" is not a network, such as 192.0.2.0/24 or 2001:db8::/32',
  ]);
});

Deno.test("a configuration file that others could have written, or that would have us wait, is refused", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const fifo = `${folder}/fifo`, open = `${folder}/open.toml`;
    new Deno.Command("mkfifo", { args: [fifo] }).outputSync();
    Deno.writeTextFileSync(open, "");
    Deno.chmodSync(open, 0o666);
    assertEquals(problemsOf(`--config=${fifo}`), [
      `option --config "${fifo}": it is not a regular file: name one that is`,
    ]);
    assertEquals(problemsOf(`--config=${open}`), [
      `option --config "${open}": others may write it (mode 666): chmod go-w ${open}`,
    ]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a control character in an option or a CONFIG is refused, and not shown as it is", () => {
  assertEquals(problemsOf("--persistdb=/tmp/a\x1b[2J", CONFIG), [
    'option --persistdb "/tmp/a\\u{1b}[2J" has a control character (\\u{1b})',
  ]);
});
