import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BACKENDS } from "../../../src/backends/registry.ts";
import { readCommandLine } from "../../../src/cli/read/command_line.ts";

function problemsOf(...argv: string[]): string[] {
  const request = readCommandLine(argv);
  return request.kind === "refuse" ? request.problems : [];
}

function served(...argv: string[]) {
  const request = readCommandLine(argv);
  if (request.kind !== "serve") throw new Error(problemsOf(...argv).join("\n"));
  return request;
}

/** The one unikernel that a CONFIG of the process backend describes. */
function unikernel(config: string, ...options: string[]) {
  const text = `name=www,dns=a,ip=10.0.0.1,command=x,${config}`;
  return served("-x", "process", text, ...options).options.unikernels[0];
}

/** What is wrong with a CONFIG of the process backend that is well but for these fields. */
function wrongWith(fields: string): string[] {
  const prefix = /^CONFIG 1 \(dns=a,ip=10\.0\.0\.1,name=www[^)]*\): /;
  return problemsOf(
    "-x",
    "process",
    `dns=a,ip=10.0.0.1,name=www,command=x,${fields}`,
  ).map((problem) => problem.replace(prefix, ""));
}

/** What libvirt is told of a domain whose CONFIG says nothing of it. */
const DOMAIN_KEYS = { suspend: "memory", restore_fails: "keep" };

Deno.test("the original's getting-started command says what to serve", () => {
  const config = "dns=www.openmirage.org,ip=192.168.0.22,name=mirage-www";
  const {
    options: { readSpec: _, reload: __, control: ___, ...options },
    log,
  } = served(
    ...["-c", "xen:///", config],
  );
  assertEquals({ options, log }, {
    options: {
      bind: [{ address: "127.0.0.1", port: 53 }],
      listen: 53,
      port: 53,
      forwarding: {
        servers: { path: "/etc/resolv.conf" },
        domains: new Map(),
        cacheSize: 10000,
        serveStale: 0,
        privateAnswers: { when: "auto", exceptions: [] },
      },
      backend: BACKENDS.find(({ name }) => name === "libvirt")!,
      connect: "xen:///",
      settings: new Map(),
      unikernels: [{
        name: "mirage-www",
        dns: ["www.openmirage.org"],
        addresses: ["192.168.0.22"],
        ttl: 60,
        mode: "destroy",
        shutdownTimeout: 60,
        adopt: "leave",
        readiness: {
          responseDelay: 0.1,
          waitForTcp: undefined,
          waitForKey: undefined,
          waitTimeout: 4,
          waitRequired: false,
        },
        useSynjitsu: false,
        synjitsuNic: 0,
        catchNic: 0,
        answer: "late",
        machine: { name: "mirage-www", uuid: undefined, keys: DOMAIN_KEYS },
        spec: config,
        fromFile: false,
      }],
      config: undefined,
      persistdb: undefined,
      allow: [],
      front: [],
      "rate-limit": 1000,
      "start-limit": 64,
      "start-proof": "auto",
      "max-starts": 8,
      nsid: undefined,
      catch: [],
      synjitsu: undefined,
      "stop-on-exit": false,
      adopt: undefined,
      answer: "late",
      "cache-size": 10000,
      delay: 0.1,
      forward: [],
      forwarder: [],
      help: undefined,
      "log-format": "human",
      "log-level": "info",
      mode: "destroy",
      "private-answers": "auto",
      "rebind-ok": [],
      "serve-stale": undefined,
      ttl: 60,
      version: false,
    },
    log: { format: "human", level: "info" },
  });
});

Deno.test("a CONFIG that comes later means what it would on the command line", () => {
  const config = "dns=a.example,ip=10.0.0.1,name=a,command=sh -c 'echo a\\, b'";
  const options = ["-x", "process", "-t", "7", "-m", "shutdown", "-d", "3"];
  const { unikernels: [unikernel], readSpec } =
    served(...options, config).options;
  assertEquals(readSpec(config), unikernel);
  assertEquals(readSpec(unikernel.spec), unikernel);
  assertEquals(readSpec("dns=a.example,ip=x,name=a,comand=x"), {
    problems: [
      "key comand is unknown; did you mean command?",
      "command is missing",
      'ip "x" is not an IPv4 or IPv6 address',
    ],
  });
});

Deno.test("the positional CONFIG of the first releases means the same", () => {
  const { unikernels } = served(
    ...["www.example.com,127.0.0.1,Ubuntu", "-m", "suspend"],
    ...["-c", "vbox:///session"],
  ).options;
  assertEquals(
    unikernels,
    served("dns=www.example.com,ip=127.0.0.1,name=Ubuntu", "-msuspend").options
      .unikernels,
  );
  assertEquals(unikernels[0].name, "Ubuntu");
});

Deno.test("a CONFIG may have several names and addresses", () => {
  const { dns, addresses } = unikernel("dns=B.,ip=2001:DB8::0,ip=10.0.0.2");
  assertEquals(dns, ["a", "b"]);
  assertEquals(addresses, ["10.0.0.1", "2001:db8::", "10.0.0.2"]);
});

Deno.test("unikernels may share a DNS name", () => {
  const { unikernels } = served(
    "dns=a,ip=10.0.0.1,name=one",
    "dns=a,ip=10.0.0.2,name=two",
  ).options;
  assertEquals(unikernels.map(({ dns }) => dns), [["a"], ["a"]]);
});

Deno.test("a unikernel without a name is called by its UUID", () => {
  const uuid = "6e696eb7-09f4-484c-981b-8d34efa0304d";
  const config = `dns=a,ip=10.0.0.1,uuid=${uuid.toUpperCase()}`;
  const [unnamed] = served(config).options.unikernels;
  assertEquals(unnamed.name, uuid);
  assertEquals(unnamed.machine, { name: uuid, uuid, keys: DOMAIN_KEYS });
  const [named] = served(`${config},name=www`).options.unikernels;
  assertEquals(named.machine, { name: "www", uuid, keys: DOMAIN_KEYS });
});

Deno.test("a unikernel has the TTL and mode of the options unless it has its own", () => {
  const { ttl, mode } = unikernel("cwd=/", "-t", "7", "-m", "shutdown");
  assertEquals([ttl, mode], [7, "shutdown"]);
  const own = unikernel("ttl=9,mode=suspend", "-t", "7", "-m", "shutdown");
  assertEquals([own.ttl, own.mode], [9, "suspend"]);
});

Deno.test("the delay is the option's, none with wait_for_tcp, the unikernel's own above all", () => {
  const delay = (config: string) =>
    unikernel(config, "-d", "3").readiness.responseDelay;
  assertEquals(delay("cwd=/"), 3);
  assertEquals(delay("wait_for_tcp=80"), 0);
  assertEquals(delay("wait_for_tcp=80,response_delay=0.5"), 0.5);
  assertEquals(delay("response_delay=0"), 0);
});

Deno.test("a unikernel has its own waits and timeouts", () => {
  const { readiness, shutdownTimeout } = unikernel(
    "wait_for_tcp=80,wait_timeout=1.5,wait_required=1,shutdown_timeout=3",
  );
  assertEquals(readiness, {
    responseDelay: 0,
    waitForTcp: 80,
    waitForKey: undefined,
    waitTimeout: 1.5,
    waitRequired: true,
  });
  assertEquals(shutdownTimeout, 3);
});

Deno.test("the backend gets what its own keys mean, and no others", () => {
  const { machine } = unikernel("env=A=1\\,2,ttl=5,env=B=3");
  assertEquals(machine, {
    name: "www",
    uuid: undefined,
    keys: {
      command: ["x"],
      cwd: undefined,
      env: [{ name: "A", value: "1,2" }, { name: "B", value: "3" }],
      user: undefined,
      kill_timeout: undefined,
      pidfile: undefined,
    },
  });
});

Deno.test("queries are forwarded to the servers of resolv.conf, to some servers, or not at all", () => {
  const servers = (...argv: string[]) =>
    served(...argv, "a,10.0.0.1,a").options.forwarding.servers;
  assertEquals(servers(), { path: "/etc/resolv.conf" });
  assertEquals(servers("-f", "2001:DB8::1", "-f192.0.2.1#54", "-p", "5353"), [
    { address: "2001:db8::1", port: 5353 },
    { address: "192.0.2.1", port: 54 },
  ]);
  assertEquals(servers("-f", "0.0.0.0"), []);
});

Deno.test("a domain has servers of its own, or none", () => {
  const { domains } = served(
    ...["--forward", "Corp.Example.=192.0.2.1", "--forward=b.test="],
    ...["--forward=corp.example=2001:db8::1#54", "-p", "5353", "a,10.0.0.1,a"],
  ).options.forwarding;
  assertEquals([...domains], [
    ["corp.example", [
      { address: "192.0.2.1", port: 5353 },
      { address: "2001:db8::1", port: 54 },
    ]],
    ["b.test", []],
  ]);
});

Deno.test("answers are kept, and served stale, as far as the options say", () => {
  const { cacheSize, serveStale } = served(
    ...["--cache-size=7", "--serve-stale=60", "a,10.0.0.1,a"],
  ).options.forwarding;
  assertEquals([cacheSize, serveStale], [7, 60]);
});

Deno.test("whose answers may lead to private addresses is as the options say", () => {
  const { privateAnswers } = served(
    ...["--private-answers=refuse", "--rebind-ok=Corp.Example."],
    ...["--rebind-ok=lan.example", "a,10.0.0.1,a"],
  ).options.forwarding;
  assertEquals(privateAnswers, {
    when: "refuse",
    exceptions: ["corp.example", "lan.example"],
  });
});

Deno.test("servers for what is not to be forwarded are refused", () => {
  assertEquals(
    problemsOf("-f", "0.0.0.0", "-f", "192.0.2.1", "a,10.0.0.1,a"),
    [
      "option --forwarder 0.0.0.0 turns forwarding off, and 192.0.2.1#53 is to be forwarded to: give one or the other",
    ],
  );
  for (const first of ["x.example=", "x.example=192.0.2.1"]) {
    const second = first.endsWith("=") ? "x.example=192.0.2.1" : "x.example=";
    assertEquals(
      problemsOf(`--forward=${first}`, `--forward=${second}`, "a,10.0.0.1,a"),
      [
        "option --forward x.example= keeps x.example in the house, and is not the only one for it: give one or the other",
      ],
    );
  }
});

Deno.test("a forwarder that is Jitsu itself is refused", () => {
  const own = (...argv: string[]) => problemsOf(...argv, "a,10.0.0.1,a");
  assertEquals(own("-f", "127.0.0.1"), [
    "option --forwarder 127.0.0.1 with port 53 is where Jitsu itself listens: queries would never leave it",
  ]);
  assertEquals(own("-b", "0::1", "-f", "::1").length, 1);
  assertEquals(own("-b", "0.0.0.0", "-f", "127.0.0.1").length, 1);
  // No socket is bound to this one: systemd-resolved may have it.
  assertEquals(own("-b", "0.0.0.0", "-f", "127.0.0.53"), []);
  assertEquals(own("-b", "::", "-f", "::1").length, 1);
  assertEquals(own("-f", "127.0.0.1", "-p", "5353"), []);
  assertEquals(own("-f", "127.0.0.1", "-l", "0"), []);
  assertEquals(own("-f", "127.0.0.53"), []);
  assertEquals(own("--forward", "b.example=127.0.0.1"), [
    "option --forward b.example= 127.0.0.1 with port 53 is where Jitsu itself listens: queries would never leave it",
  ]);
  assertEquals(own("-b", "0.0.0.0", "-f", "::1"), []);
  const two = ["-b", "127.0.0.2#5353", "-b", "::1"];
  assertEquals(own(...two, "-f", "127.0.0.2"), []);
  assertEquals(own(...two, "-f", "127.0.0.2#5353").length, 1);
  assertEquals(own(...two, "-f", "::1").length, 1);
});

Deno.test("each --bind has the port it names, or that of --listen", () => {
  assertEquals(
    served(
      ...["-b", "::#5300", "-b", "127.0.0.1", "-l", "54", "a,10.0.0.1,a"],
    ).options.bind,
    [{ address: "::", port: 5300 }, { address: "127.0.0.1", port: 54 }],
  );
});

Deno.test("help and version are given whatever else is wrong", () => {
  assertEquals(readCommandLine(["--foo", "-t0", "-h"]), {
    kind: "help",
    format: "pager",
  });
  assertEquals(readCommandLine(["--version", "--help=plain"]), {
    kind: "help",
    format: "plain",
  });
  assertEquals(readCommandLine(["--version", "x"]), { kind: "version" });
});

Deno.test("an unknown backend is told, and does not blame the keys", () => {
  const config = "dns=a,ip=10.0.0.1,name=a,kernel=x";
  assertEquals(problemsOf("-x", "libvrit", config), [
    'option --backend "libvrit" is not one of libvirt, libxl, xapi, process; did you mean libvirt?',
  ]);
});

Deno.test("an option of a backend goes to that backend, and is told where it is not that one", () => {
  const config = "dns=a,ip=10.0.0.1,name=a";
  const words = ["--xapi-ca", "hosts.pem", "--xapi-insecure"];
  assertEquals(
    served("-x", "xapi", "-c", "host", ...words, config).options.settings,
    new Map([["xapi-ca", "hosts.pem"], ["xapi-insecure", ""]]),
  );
  assertEquals(problemsOf(...words, config), [
    "option --xapi-ca belongs to the backend xapi, not to libvirt",
    "option --xapi-insecure belongs to the backend xapi, not to libvirt",
  ]);
});

Deno.test("what the backend cannot connect to is told with what it can, and without the password", () => {
  const config = "dns=a,ip=10.0.0.1,name=a";
  assert(
    problemsOf("-x", "xapi", config)[0].startsWith(
      'option --connect "xen:///": expected https://USER@HOST/, ',
    ),
  );
  for (const connect of ["https://me:secret@host/x", "me:secret@host/x"]) {
    const [problem] = problemsOf("-x", "xapi", "-c", connect, config);
    assert(problem.includes("host/x"), problem);
    assert(!problem.includes("secret"), problem);
  }
});

Deno.test("a key that a backend has no use for is told with the reason", () => {
  const config = "dns=a,ip=10.0.0.1,name=a,wait_for_key=data/ip";
  for (
    const [words, reason] of [
      [
        ["-x", "xapi", "-c", "host"],
        /of no use with xapi: its VMs run on any host of the pool/,
      ],
      [
        ["-x", "process"],
        /of no use with process: a process is no guest of Xen/,
      ],
    ] as const
  ) {
    const problems = problemsOf(...words, config);
    assertEquals(problems.filter((each) => reason.test(each)).length, 1);
  }
});

Deno.test("Xen's control domain is no unikernel, by its name and by its UUID", () => {
  const uuid = "00000000-0000-0000-0000-000000000000";
  for (
    const [backend, key, rest] of [
      ["libxl", "name=Domain-0", ",kernel=k,memory=1"],
      ["libxl", `name=x,uuid=${uuid}`, ",kernel=k,memory=1"],
      ["libvirt", "name=Domain-0", ""],
      ["libvirt", `uuid=${uuid}`, ""],
    ]
  ) {
    const [problem, ...others] = problemsOf(
      ...["-x", backend, `dns=a,ip=10.0.0.1,${key}${rest}`],
    );
    assertEquals(others, []);
    assert(
      problem.endsWith(
        `${
          key.split(",").at(-1)!.replace("=", " ")
        } is Xen's control domain: that is this host itself, which is neither started nor stopped`,
      ),
      problem,
    );
  }
  assertEquals(
    problemsOf("-x", "process", "dns=a,ip=10.0.0.1,name=Domain-0,command=x"),
    [],
  );
});

Deno.test("the control domain of a pool's host is no unikernel", () => {
  const problems = (keys: string) =>
    problemsOf("-x", "xapi", "-c", "host", `dns=a,ip=10.0.0.1,${keys}`);
  const [problem, ...others] = problems("name=Control domain on host: xs1");
  assertEquals(others, []);
  assert(
    problem.endsWith(
      "name Control domain on host: xs1 is a control domain: that is a host of the pool itself, which is neither started nor stopped",
    ),
    problem,
  );
  assertEquals(problems("name=Control domain"), []);
});

Deno.test("what a backend waits for counts as a wait", () => {
  const wait = (fields: string) => {
    const config = `dns=a,ip=10.0.0.1,name=a,${fields}`;
    return served("-x", "xapi", "-c", "host", config).options.unikernels[0]
      .readiness;
  };
  assertEquals(wait("wait_for_ip=1,wait_required=1").responseDelay, 0);
  assertEquals(wait("wait_for_ip=0").responseDelay, 0.1);
});

Deno.test("Synjitsu is told of guests of this Xen host, and of no other backend's machines", () => {
  const uuid = "6E696EB7-09F4-484c-981b-8d34efa0304d";
  const config = "dns=a,ip=10.0.0.1,name=a,use_synjitsu=1,synjitsu_nic=1";
  for (const connect of ["xen:///", "xen:///system", "xen+unix:///system"]) {
    const { options } = served("-c", connect, "--synjitsu", uuid, config);
    assertEquals(options.synjitsu, uuid.toLowerCase());
    assertEquals(options.unikernels[0].useSynjitsu, true);
    assertEquals(options.unikernels[0].synjitsuNic, 1);
  }
  served(
    ...["-x", "libxl", "--synjitsu", uuid],
    config + ",kernel=a,memory=64MiB",
  );
  for (
    const [backend, connect, why] of [
      [
        "libvirt",
        "qemu:///system",
        "--connect xen:/// only, not with qemu:///system",
      ],
      ["libvirt", "xen+ssh://root@xen2/", "not with xen+ssh://root@xen2/"],
      ["libvirt", "xen://xen2/", "not with xen://xen2/"],
      ["xapi", "https://xs1/", "within reach of that host alone"],
      [
        "process",
        "xen:///",
        "a process is no guest of Xen and has no xenstore",
      ],
    ]
  ) {
    const problems = problemsOf(
      ...["-x", backend, "-c", connect, "--synjitsu", uuid],
      backend === "process" ? config + ",command=x" : config,
    );
    const refused = ["option --synjitsu", "use_synjitsu", "synjitsu_nic"];
    assertEquals(problems.length, refused.length);
    for (const [i, what] of refused.entries()) {
      const start = `${what} is of no use with ${backend}: `;
      assert(problems[i].includes(start), problems[i]);
      assert(problems[i].endsWith(why), problems[i]);
    }
  }
});

Deno.test("an early answer needs somebody who holds the first connection", () => {
  const www = "dns=a,ip=10.0.0.1,name=a";
  const early = `${www},answer=early`;
  const synjitsu = `--synjitsu=6e696eb7-09f4-484c-981b-8d34efa0304d`;
  const answers = (...argv: string[]) =>
    served(...argv).options.unikernels.map(({ answer }) => answer);
  assertEquals(answers("--catch=br0", "--answer=early", www), ["early"]);
  assertEquals(answers("--catch=br0", early, "dns=b,ip=10.0.0.2,name=b"), [
    "early",
    "late",
  ]);
  assertEquals(answers(synjitsu, `${early},use_synjitsu=1`), ["early"]);
  assertEquals(
    answers(synjitsu, "--answer=early", `${www},answer=late`),
    ["late"],
  );

  const needs =
    "answer=early needs --catch, or --synjitsu and use_synjitsu=1: otherwise nobody holds the first connection while it boots";
  const at = "CONFIG 1 (dns=a,ip=10.0.0.1,name=a): ";
  assertEquals(problemsOf(early), [at + needs]);
  assertEquals(problemsOf(synjitsu, early), [at + needs]);
  assertEquals(problemsOf(synjitsu, "--answer=early", www), [at + needs]);
  assertEquals(problemsOf("--answer=early", www), [
    "option --answer early needs --catch or --synjitsu: otherwise nobody holds the first connection to a unikernel while it boots",
  ]);
  const later = served("--catch=br0", www).options.readSpec(early);
  assert("answer" in later && later.answer === "early");
  assertEquals(served(www).options.readSpec(early), { problems: [needs] });
});

Deno.test("--catch takes interfaces, as often as it is given, and not for processes", () => {
  const www = "dns=a,ip=10.0.0.1,name=a";
  const { options } = served(
    ...["--catch", "br0", "--catch=virbr0", `${www},catch_nic=1`],
  );
  assertEquals(options.catch, ["br0", "virbr0"]);
  assertEquals(options.unikernels[0].catchNic, 1);
  for (const name of ["a/b", "sixteen-letters-", "a b", "a:1", "..", ""]) {
    assert(problemsOf("--catch", name, www)[0].startsWith("option --catch "));
  }
  assertEquals(
    problemsOf("-x", "process", "--catch=br0", `${www},command=true`),
    [
      "option --catch is of no use with process: a process has no network interface of its own",
    ],
  );
});

Deno.test("use_synjitsu needs an IPv4 address, and no --synjitsu, as in the original", () => {
  const problems = (fields: string) => problemsOf(`dns=a,name=a,${fields}`);
  assertEquals(problems("ip=10.0.0.1,use_synjitsu=1"), []);
  assertEquals(problems("ip=10.0.0.1,use_synjitsu=1,ip=2001:db8::1"), []);
  assertEquals(
    problems("ip=2001:db8::1,use_synjitsu=1"),
    [
      "CONFIG 1 (dns=a,name=a,ip=2001:db8::1): use_synjitsu needs an IPv4 address: what Synjitsu is told of a unikernel has no room for IPv6",
    ],
  );
  assertEquals(problems("ip=10.0.0.1,synjitsu_nic=1"), [
    "CONFIG 1 (dns=a,name=a,ip=10.0.0.1): synjitsu_nic means nothing without use_synjitsu",
  ]);
  assertEquals(problems("ip=10.0.0.1,use_synjitsu=1,synjitsu_nic=eth1"), [
    'CONFIG 1 (dns=a,name=a,ip=10.0.0.1): synjitsu_nic "eth1" is not the number of a network interface, where the first is 0 (0 to 1000)',
  ]);
});

Deno.test("an unknown key is told with the nearest known one or the backend that has it", () => {
  assertEquals(wrongWith("comand=y,kernel=x,suspend=disk,constructor=z"), [
    "key comand is unknown; did you mean command?",
    "key kernel belongs to the backend libxl, not to process",
    "key suspend belongs to the backend libvirt, not to process",
    "key constructor is unknown",
  ]);
});

Deno.test("a bad value is shown with what was expected", () => {
  assertEquals(
    wrongWith(
      "dns=*.b,ip=x,uuid=1,response_delay=-1,ttl=0,mode=off,wait_for_tcp=http,wait_timeout=,env=A",
    ),
    [
      'env "A" is not NAME=VALUE',
      'dns "*.b" is not the name of one host: wildcards are not summoned',
      'ip "x" is not an IPv4 or IPv6 address',
      'uuid "1" is not a UUID (such as 6e696eb7-09f4-484c-981b-8d34efa0304d)',
      'mode "off" is not one of destroy, suspend, shutdown',
      'response_delay "-1" is not a number of seconds (0 to 2147483)',
      'ttl "0" is not a TTL of at least 1: a machine is stopped after 2 x TTL seconds without a request',
      'wait_for_tcp "http" is not a port number (1 to 65535)',
      'wait_timeout "" is not a number of seconds (0 to 2147483)',
    ],
  );
});

Deno.test("a key that can be given once and comes again is told", () => {
  assertEquals(wrongWith("ttl=5,ttl=6"), [
    "ttl is given 2 times, once is the most",
  ]);
});

Deno.test("the same DNS name or address twice in a unikernel is told", () => {
  assertEquals(wrongWith("dns=A.,ip=10.0.0.1,dns=a"), [
    "dns a is given more than once",
    "ip 10.0.0.1 is given more than once",
  ]);
});

Deno.test("waiting for nothing is told", () => {
  assertEquals(wrongWith("wait_timeout=1,wait_required=true"), [
    "wait_required means nothing without wait_for_tcp or wait_for_key",
    "wait_timeout means nothing without wait_for_tcp or wait_for_key",
  ]);
});

Deno.test("what is missing from a CONFIG is told", () => {
  assertEquals(problemsOf("-x", "process", "ttl=5"), [
    "CONFIG 1: dns is missing",
    "CONFIG 1: ip is missing",
    "CONFIG 1: command is missing",
    "CONFIG 1: name is missing (or uuid)",
  ]);
});

Deno.test("two unikernels of one name or UUID are told", () => {
  const uuid = "6e696eb7-09f4-484c-981b-8d34efa0304d";
  assertEquals(
    problemsOf(
      "dns=a,ip=10.0.0.1,name=www",
      "dns=b,ip=10.0.0.2,name=www",
      `dns=c,ip=10.0.0.3,uuid=${uuid}`,
      `dns=d,ip=10.0.0.4,name=d,uuid=${uuid}`,
    ),
    [
      'CONFIG 2 (dns=b,ip=10.0.0.2,name=www): name "www" is that of CONFIG 1 too',
      `CONFIG 4 (dns=d,ip=10.0.0.4,name=d,uuid=${uuid}): uuid "${uuid}" is that of CONFIG 3 too`,
    ],
  );
});

Deno.test("a CONFIG that white space has cut in two is told once, and read as one", () => {
  assertEquals(
    problemsOf("dns=a,ip=10.0.0.1,name=a", "dns=b,", "ip=10.0.0.2,", "name=b"),
    [
      'CONFIG 2 ends in a comma before "ip=10.0.0.2,": no white space may come after a comma',
      'CONFIG 2 ends in a comma before "name=b": no white space may come after a comma',
    ],
  );
});

Deno.test("everything that is wrong is told at once", () => {
  assertEquals(
    problemsOf("--delya", "0.3", "-t0", "dns=a,ip=x,name=a", "b", "-x", "foo"),
    [
      "option --delya is unknown; did you mean --delay?",
      'option --ttl "0" is not a TTL of at least 1: a machine is stopped after 2 x TTL seconds without a request',
      'option --backend "foo" is not one of libvirt, libxl, xapi, process',
      'CONFIG 1 (dns=a,ip=x,name=a): ip "x" is not an IPv4 or IPv6 address',
      'CONFIG 2: "b" is neither key=value,... nor dns,ip,name',
    ],
  );
});

Deno.test("the credentials of --connect are in no problem, wherever they end up", () => {
  const uri = "xen://root:SECRET@host/";
  for (
    const argv of [
      ["-c", uri, "-t0"],
      ["-c", uri, "-c", uri],
      ["--conect", uri],
      [`--conect=${uri}`],
      ["-C", uri],
      [`-C${uri}`],
      [uri],
      ["-x", "process", uri, `dns=a,${uri}`],
      ["-m", uri, "a,b,c"],
      [`-h=${uri}`],
    ]
  ) {
    const problems = problemsOf(...argv);
    assert(problems.length > 0);
    assert(!problems.join().includes("SECRET"), argv.join(" "));
  }
});

Deno.test("any words at all give a request, and every problem is one line", () => {
  const field = fc.tuple(
    fc.constantFrom("dns", "ip", "name", "uuid", "ttl", "command", "x", ""),
    fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("a", "10.0.0.1")),
  ).map((pair) => pair.join("="));
  const word = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(field).map((fields) => fields.join()),
    fc.constantFrom(
      "-x",
      "process",
      "libvirt",
      "--",
      "a,10.0.0.1,b",
      "-l",
      "0",
    ),
  );
  fc.assert(fc.property(fc.array(word), (argv) => {
    const request = readCommandLine(argv);
    if (request.kind === "refuse") {
      assert(request.problems.length > 0);
      for (const problem of request.problems) {
        assert(!/\p{Cc}/u.test(problem), problem);
      }
    } else if (request.kind === "serve") {
      for (const { name, dns, addresses } of request.options.unikernels) {
        assert(name !== "" && dns.length > 0 && addresses.length > 0);
      }
    }
  }));
});

Deno.test("a name, a path or a command with a control character is refused", () => {
  assertEquals(wrongWith("name=a\x1b]0;b\nc"), [
    "name is given 2 times, once is the most",
    'name "a\\u{1b}]0;b\\u{a}c" has a control character (\\u{1b})',
  ]);
  for (const value of ["pidfile=/a\0b", "pidfile=/a\u202eb", "cwd=/\u009bm"]) {
    const [problem] = wrongWith(value);
    assert(problem.includes("has a control character"), problem);
  }
  assertEquals(wrongWith("ttl=5"), []);
});

Deno.test("a command may have several lines", () => {
  const text = "name=www,dns=a,ip=10.0.0.1,command=sleep\n\t1";
  assertEquals(problemsOf("-x", "process", text), []);
});
