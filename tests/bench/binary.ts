/**
 * `deno task bench:binary`: the compiled program's size, the time from exec to its first answer, and its memory, beside
 * dnsmasq's and unbound's with the same names in the same run.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints results
import { compile, NoRuntimeError } from "../../src/build/compile.ts";
import { freePort } from "../e2e/harness.ts";
import { until } from "../until.ts";
import { addressQuery, median, timeQuery } from "./measure.ts";

const ROUNDS = 15;
const COUNTS = [1, 1_000, 100_000];
/** Names that one CONFIG has: a word of the command line holds 128 KiB (execve(2)). */
const NAMES_OF_ONE = 8000;
const REPOSITORY = new URL("../..", import.meta.url).pathname;
const BINARY = `${REPOSITORY}dist/jitsu`;

const nameOf = (i: number) => `n${i}.test`;

interface Server {
  name: string;
  /** The program and its arguments, to serve that many names; files go into the folder. */
  command(count: number, port: number, folder: string): Promise<string[]>;
}

const SERVERS: Server[] = [
  {
    name: "jitsu",
    command: (count, port) => {
      const configs: string[] = [];
      for (let from = 0; from < count; from += NAMES_OF_ONE) {
        const names = Array.from(
          { length: Math.min(NAMES_OF_ONE, count - from) },
          (_, i) => `dns=${nameOf(from + i)}`,
        );
        configs.push(
          `${names},ip=192.0.2.1,name=vm${from},command=sleep infinity`,
        );
      }
      return Promise.resolve([
        BINARY,
        ...`-x process -f 0.0.0.0 -d 0 --log-level warn -l ${port}`.split(" "),
        ...configs,
      ]);
    },
  },
  {
    name: "dnsmasq",
    command: async (count, port, folder) => {
      const hosts = Array.from(
        { length: count },
        (_, i) => `192.0.2.1 ${nameOf(i)}\n`,
      );
      await Deno.writeTextFile(`${folder}/hosts`, hosts.join(""));
      return [
        ..."dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv"
          .split(" "),
        ..."--no-hosts --bind-interfaces --pid-file --user=".split(" "),
        ...`--listen-address=127.0.0.1 --port=${port}`.split(" "),
        `--addn-hosts=${folder}/hosts`,
      ];
    },
  },
  {
    name: "unbound",
    command: async (count, port, folder) => {
      const data = Array.from(
        { length: count },
        (_, i) => `  local-data: "${nameOf(i)} A 192.0.2.1"\n`,
      );
      await Deno.writeTextFile(
        `${folder}/unbound.conf`,
        `server:
  interface: 127.0.0.1@${port}
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  module-config: "iterator"
  local-zone: "test." static
${data.join("")}remote-control:
  control-enable: no
`,
      );
      return ["unbound", "-d", "-c", `${folder}/unbound.conf`];
    },
  },
];

interface Result {
  /** Milliseconds from exec to the first answer. */
  first: number;
  /** MiB: resident, and of that what is not a file's. */
  resident: number;
  anonymous: number;
}

/** Starts a server, waits for its first answer, asks for each of some names, and stops it. */
async function measure(
  server: Server,
  count: number,
  settles: boolean,
): Promise<Result> {
  const folder = await Deno.makeTempDir();
  const port = freePort();
  try {
    const [program, ...args] = await server.command(count, port, folder);
    const began = performance.now();
    const child = new Deno.Command(program, {
      args,
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const at = { address: "127.0.0.1", port };
      await firstAnswer(port);
      const first = performance.now() - began;
      // One that was summoned, and a hundred of all.
      for (let i = 0; i < count; i += Math.ceil(count / 100)) {
        await timeQuery(at, nameOf(i));
      }
      if (settles) await settled(child.pid);
      return { first, ...await memoryOf(child.pid) };
    } finally {
      child.kill("SIGTERM");
      await child.status;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Asks for the first name every millisecond until there is an answer. */
async function firstAnswer(port: number): Promise<void> {
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  const query = addressQuery(nameOf(0));
  const to = { transport: "udp", hostname: "127.0.0.1", port } as const;
  const timer = setInterval(() => socket.send(query, to), 1);
  try {
    await socket.receive();
  } finally {
    clearInterval(timer);
    socket.close();
  }
}

/** Waits until the memory stays as it is for a second: the garbage of the start is collected by then. */
async function settled(pid: number): Promise<void> {
  let last = -1;
  await until("the memory to settle", async () => {
    const { resident } = await memoryOf(pid);
    const isSame = Math.abs(resident - last) < 0.5;
    last = resident;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return isSame;
  });
}

async function memoryOf(pid: number) {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const mib = (key: string) =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(status)![1]) / 1024;
  return { resident: mib("VmRSS"), anonymous: mib("RssAnon") };
}

try {
  await compile(BINARY);
} catch (error) {
  if (!(error instanceof NoRuntimeError)) throw error;
  console.log(`no binary, no numbers: ${error.message}`);
  Deno.exit();
}
const { size } = await Deno.stat(BINARY);
console.log(`size: ${(size / 2 ** 20).toFixed(1)} MiB`);

const firsts = SERVERS.map((): number[] => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, server] of SERVERS.entries()) {
    firsts[i].push((await measure(server, 1, false)).first);
  }
}
const times = SERVERS.map(({ name }, i) =>
  `${name} ${median(firsts[i]).toFixed(0)} ms (${
    Math.min(...firsts[i]).toFixed(0)
  } at best)`
);
console.log(
  `exec to first answer, medians of ${ROUNDS}: ${
    times.join(", ")
  }; Jitsu's target is 150 ms`,
);
for (const count of COUNTS) {
  const results: string[] = [];
  for (const server of SERVERS) {
    const { first, resident, anonymous } = await measure(server, count, true);
    results.push(
      `${server.name} ${resident.toFixed(1)} MiB (${
        anonymous.toFixed(1)
      } of its own), ${first.toFixed(0)} ms to the first answer`,
    );
  }
  console.log(`memory, names ${count}: ${results.join("; ")}`);
}
console.log(
  "Jitsu's targets: below 90 MB with one name, and not more than 40 MB more with 100,000",
);
