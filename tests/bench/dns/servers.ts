/**
 * The servers that are compared: dnsmasq, unbound with one thread, NSD with one process, and Jitsu, each as a process of
 * its own on a port of its own, with the same names.
 *
 * @module
 */
import { freePort, Jitsu } from "../../e2e/harness.ts";
import { until } from "../../until.ts";
import { isAnswered } from "./perf.ts";

/** A server that runs. */
export interface Subject extends AsyncDisposable {
  name: string;
  port: number;
  pid: number;
}

/** The address of every name. */
export const ADDRESS = "192.0.2.1";
export const DOMAIN = "b.example";

/** The names of a zone: short ones, so that a hundred thousand fit into an argument list of 2 MiB. */
export function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i.toString(36)}.${DOMAIN}`);
}

/** A name that every server can answer for: it is its own, or its upstream server's. */
const PROBE = namesOf(1)[0];

/** Starts a program with a configuration in `folder`, and waits until it answers for `probe`. */
async function start(
  name: string,
  port: number,
  command: string,
  ...args: string[]
): Promise<Subject> {
  const child = new Deno.Command(command, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
  };
  try {
    await until(`an answer of ${name}`, () => isAnswered(port, PROBE), 60_000);
  } catch (error) {
    await stop();
    throw error;
  }
  return { name, port, pid: child.pid, [Symbol.asyncDispose]: stop };
}

/** What a server is for. */
export interface Role {
  /** The names it has. */
  own: readonly string[];
  /** The port of the server that it asks for all others. */
  upstream?: number;
}

export async function startDnsmasq(
  folder: string,
  role: Role,
): Promise<Subject> {
  const port = freePort(), hosts = `${folder}/hosts-${port}`;
  await Deno.writeTextFile(
    hosts,
    role.own.map((name) => `${ADDRESS} ${name}\n`).join(""),
  );
  const own = [`--addn-hosts=${hosts}`, `--local=/${DOMAIN}/`];
  const forwarding = role.upstream !== undefined
    ? [
      `--server=127.0.0.1#${role.upstream}`,
      "--cache-size=100000",
      "--dns-forward-max=1000",
    ]
    : own;
  return await start("dnsmasq", port, "/usr/sbin/dnsmasq", ...[
    ...[
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--no-hosts",
      "--no-resolv",
      "--bind-interfaces",
    ],
    ...["--listen-address=127.0.0.1", "--user=root", "--pid-file="],
    `--port=${port}`,
    ...forwarding,
  ]);
}

export async function startUnbound(
  folder: string,
  role: Role,
): Promise<Subject> {
  const port = freePort(), file = `${folder}/unbound-${port}.conf`;
  const zone = role.upstream === undefined
    ? [
      `local-zone: "${DOMAIN}." static`,
      ...role.own.map((name) => `local-data: "${name}. 3600 IN A ${ADDRESS}"`),
    ]
    : [
      "msg-cache-size: 64m",
      "rrset-cache-size: 128m",
      "outgoing-range: 4096",
      "num-queries-per-thread: 2048",
    ];
  const forwarding = role.upstream !== undefined
    ? `forward-zone:\n  name: "."\n  forward-addr: 127.0.0.1@${role.upstream}\n`
    : "";
  await Deno.writeTextFile(
    file,
    `
server:
  num-threads: 1
  interface: 127.0.0.1
  port: ${port}
  do-daemonize: no
  do-not-query-localhost: no
  use-syslog: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  module-config: "iterator"
  ${zone.join("\n  ")}
remote-control:
  control-enable: no
${forwarding}`,
  );
  return await start("unbound", port, "/usr/sbin/unbound", "-d", "-c", file);
}

/** With a wildcard below `w`, so that there is a name for every query of a cold cache. */
export async function startNsd(
  folder: string,
  names: readonly string[],
): Promise<Subject> {
  const port = freePort(), file = `${folder}/nsd-${port}`;
  await Deno.writeTextFile(
    `${file}.zone`,
    [
      `$ORIGIN ${DOMAIN}.`,
      "$TTL 3600",
      "@ SOA ns hostmaster 1 7200 900 1209600 60",
      "@ NS ns",
      `ns A ${ADDRESS}`,
      `*.w A ${ADDRESS}`,
      ...names.map((name) => `${name}. A ${ADDRESS}`),
      "",
    ].join("\n"),
  );
  await Deno.writeTextFile(
    file,
    `
server:
  ip-address: 127.0.0.1@${port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  pidfile: ""
  database: ""
  rrl-ratelimit: 0
  xfrdir: "${folder}"
  xfrdfile: "${file}.state"
  zonelistfile: "${file}.list"
remote-control:
  control-enable: no
zone:
  name: ${DOMAIN}
  zonefile: "${file}.zone"
`,
  );
  return await start("NSD", port, "/usr/sbin/nsd", "-d", "-c", file);
}

/** How many names are behind one machine at the most: a word of the argument list has 128 KiB. */
const NAMES_PER_MACHINE = 5000;

/** The real program; its machines run and are ready, since each was asked for. */
export async function startJitsu(
  { own, upstream }: Role,
  ...more: string[]
): Promise<Subject> {
  const configs: string[] = [];
  for (let i = 0; i < own.length; i += NAMES_PER_MACHINE) {
    const names = own.slice(i, i + NAMES_PER_MACHINE).map((name) =>
      `dns=${name}`
    );
    configs.push(
      `${names},ip=${ADDRESS},name=m${i},ttl=3600,command=sleep inf`,
    );
  }
  // There is no Jitsu without a unikernel.
  if (own.length === 0) {
    configs.push("dns=own.example,ip=192.0.2.9,name=own,command=sleep inf");
  }
  const forwarding = upstream === undefined
    ? ["--forwarder=0.0.0.0"]
    : ["--forwarder=127.0.0.1", `--port=${upstream}`];
  const jitsu = await Jitsu.start(
    "--backend=process",
    "--delay=0",
    ...forwarding,
    ...more,
    ...configs,
  );
  for (let i = 0; i < own.length; i += NAMES_PER_MACHINE) {
    if (!await isAnswered(jitsu.port, own[i])) {
      throw new Error(`${own[i]} is not ready`);
    }
  }
  return {
    name: "Jitsu",
    port: jitsu.port,
    pid: jitsu.pid,
    [Symbol.asyncDispose]: () => jitsu[Symbol.asyncDispose](),
  };
}
