/**
 * Real name servers for Jitsu to forward to, from Debian's packages.
 *
 * @module
 */
import { until } from "../until.ts";
import { dig, freePort, isInstalled } from "./harness.ts";

/** Whether unbound and dnsmasq are installed; where they are not, the tests that need them are to be ignored. */
export const haveNameServers = await isInstalled("unbound", "-V") &&
  await isInstalled("dnsmasq", "--version");
if (!haveNameServers) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log(
    "skipped: tests of forwarding need unbound and dnsmasq (apt-get install unbound dnsmasq-base)",
  );
}

/** Where a server listens. */
interface Place {
  address?: string;
  port?: number;
}

/** A name server, running. */
export class NameServer implements AsyncDisposable {
  readonly address: string;
  readonly port: number;
  readonly #child: Deno.ChildProcess;
  #stopped: Promise<unknown> | undefined;

  constructor(
    command: string,
    args: string[],
    { address, port }: Required<Place>,
  ) {
    this.address = address;
    this.port = port;
    this.#child = new Deno.Command(command, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  /** As `--forwarder` takes it. */
  get name(): string {
    return `${this.address}#${this.port}`;
  }

  /** Resolves as soon as it replies to a question about a name that it has. */
  async replies(name: string): Promise<this> {
    let exited = false;
    this.#child.status.then(() => exited = true);
    await until(`${this.name} replies`, async () => {
      if (exited) throw new Error("the name server has exited");
      const { status } = await dig(this, name, { timeout: 1 });
      return status !== "no response";
    });
    return this;
  }

  stop(): Promise<unknown> {
    if (this.#stopped === undefined) {
      this.#child.kill("SIGKILL");
      this.#stopped = this.#child.status;
    }
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Starts unbound with these records, in zone-file format, all in one zone. */
export async function startUnbound(
  zone: string,
  records: string[],
  { address = "127.0.0.1", port = freePort() }: Place = {},
): Promise<NameServer> {
  const file = await Deno.makeTempFile({ suffix: ".conf" });
  const config = [
    "server:",
    `interface: ${address}@${port}`,
    "do-daemonize: no",
    'username: ""',
    'chroot: ""',
    'pidfile: ""',
    "use-syslog: no",
    "module-config: iterator", // what it has no data for it does not check either
    "access-control: 127.0.0.0/8 allow",
    `local-zone: ${zone} static`,
    ...records.map((record) => `local-data: '${record}'`),
  ];
  try {
    await Deno.writeTextFile(file, config.join("\n"));
    const server = new NameServer("unbound", ["-c", file], { address, port });
    return await server.replies(zone);
  } finally {
    await Deno.remove(file);
  }
}

/** Starts dnsmasq, which has these addresses for these names and all below them, and knows nothing else. */
export function startDnsmasq(
  addresses: Record<string, string>,
  { address = "127.0.0.1", port = freePort() }: Place = {},
): Promise<NameServer> {
  const server = new NameServer("dnsmasq", [
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--no-resolv",
    "--no-hosts",
    "--bind-interfaces",
    `--listen-address=${address}`,
    `--port=${port}`,
    "--pid-file",
    "--user=",
    ...Object.entries(addresses).map(([name, address]) =>
      `--address=/${name}/${address}`
    ),
  ], { address, port });
  return server.replies(Object.keys(addresses)[0]);
}
