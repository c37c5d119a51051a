/**
 * What the tests of compliance share: the whole program, an upstream server (NSD) behind it, and three clients that know
 * DNS: dig, kdig and dnspython.
 *
 * @module
 */
import { hasDnspython, PYTHON } from "../../dnspython.ts";
import { until } from "../../until.ts";
import { freePort, Jitsu } from "../harness.ts";

const NEEDS = {
  dig: "bind9-dnsutils",
  kdig: "knot-dnsutils",
  nsd: "nsd",
} as const;
const ASK = new URL("ask.py", import.meta.url).pathname;

async function works(program: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function missingPackages(): Promise<string[]> {
  const missing: string[] = [];
  for (const [program, pkg] of Object.entries(NEEDS)) {
    const found = await works(
      "sh",
      "-c",
      `command -v ${program} || test -x /usr/sbin/${program}`,
    );
    if (!found) missing.push(pkg);
  }
  if (!hasDnspython) missing.push("python3-dnspython");
  return missing;
}

const missing = await missingPackages();
if (missing.length > 0) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log(
    `skipped: tests of compliance need Debian's ${missing.join(", ")}`,
  );
}

/** The zone that the upstream server has. A name with more addresses than a response over UDP has room for is `big`. */
const ZONE = `
$ORIGIN elsewhere.example.
$TTL 300
@ SOA ns hostmaster 1 7200 900 1209600 120
@ NS ns
@ MX 10 Mail
ns A 192.0.2.53
www A 192.0.2.80
alias CNAME www
opaque TYPE65280 \\# 4 DEADBEEF
below.ent A 192.0.2.81
${Array.from({ length: 90 }, (_, i) => `big A 198.51.100.${i}`).join("\n")}
${Array.from({ length: 200 }, (_, i) => `huge A 203.0.113.${i}`).join("\n")}
`;

/** An authoritative server on loopback. */
class Upstream implements AsyncDisposable {
  readonly port: number;
  readonly #child: Deno.ChildProcess;
  readonly #directory: string;

  static async start(): Promise<Upstream> {
    const upstream = new Upstream();
    await until("a reply of NSD", async () => {
      const { stdout } = await new Deno.Command("dig", {
        args: [
          "@127.0.0.1",
          "-p",
          `${upstream.port}`,
          "+tries=1",
          "+time=1",
          "elsewhere.example",
          "SOA",
        ],
      }).output();
      return new TextDecoder().decode(stdout).includes("status: NOERROR");
    });
    return upstream;
  }

  private constructor() {
    this.#directory = Deno.makeTempDirSync();
    this.port = freePort();
    Deno.writeTextFileSync(`${this.#directory}/zone`, ZONE);
    Deno.writeTextFileSync(
      `${this.#directory}/nsd.conf`,
      `
server:
  ip-address: 127.0.0.1@${this.port}
  username: ""
  chroot: ""
  zonesdir: "${this.#directory}"
  pidfile: ""
  database: ""
  rrl-ratelimit: 0
  xfrdir: "${this.#directory}"
  xfrdfile: "${this.#directory}/xfrd.state"
  zonelistfile: "${this.#directory}/zone.list"
remote-control:
  control-enable: no
zone:
  name: elsewhere.example
  zonefile: zone
`,
    );
    this.#child = new Deno.Command("/usr/sbin/nsd", {
      args: ["-d", "-c", `${this.#directory}/nsd.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** What dnspython reads in a response. */
export interface Seen {
  id: number;
  octets: number;
  opcode: string;
  rcode: string;
  /** In lower case. */
  flags: string[];
  /** The bit that must be zero (RFC 1035 section 4.1.1). */
  reserved: boolean;
  /** The EDNS version, -1 without an OPT record. */
  edns: number;
  payload: number;
  /** The codes of the EDNS options. */
  options: number[];
  question: string[];
  answer: string[];
  authority: string[];
}

/** The program with an upstream server, and its clients. */
export class Subject implements AsyncDisposable {
  readonly #upstream: Upstream | undefined;
  readonly jitsu: Jitsu;

  private constructor(jitsu: Jitsu, upstream?: Upstream) {
    this.jitsu = jitsu;
    this.#upstream = upstream;
  }

  /** Starts the program with these arguments, with an upstream server for the zone `elsewhere.example`. */
  static async start(...args: string[]): Promise<Subject> {
    const upstream = await Upstream.start();
    const forwarding = ["--forwarder=127.0.0.1", `--port=${upstream.port}`];
    try {
      const jitsu = await Jitsu.start(
        "--backend=process",
        "--delay=0",
        ...forwarding,
        ...args,
      );
      return new Subject(jitsu, upstream);
    } catch (error) {
      await upstream[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What dig prints. There is one try, and no fall-back that is not asked for. */
  dig(...args: string[]): Promise<string> {
    return this.#run("dig", "+tries=1", "+timeout=15", "+ignore", ...args);
  }

  /** What kdig prints. */
  kdig(...args: string[]): Promise<string> {
    return this.#run("kdig", "+retry=0", "+timeout=15", ...args);
  }

  async #run(program: string, ...args: string[]): Promise<string> {
    const { address, port } = this.jitsu;
    const { stdout } = await new Deno.Command(program, {
      args: [`@${address}`, "-p", String(port), ...args],
    }).output();
    return new TextDecoder().decode(stdout);
  }

  /** Sends packets as they are, and has dnspython read that many responses. */
  async send(
    over: "udp" | "tcp",
    packets: Uint8Array[],
    count = packets.length,
  ): Promise<Seen[]> {
    const hex = packets.map((packet) => packet.toHex());
    const { address, port } = this.jitsu;
    const { stdout, stderr, success } = await new Deno.Command(PYTHON, {
      args: [ASK, address, String(port), over, String(count), ...hex],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).split("\n").filter((line) => line)
      .map((line) => JSON.parse(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.jitsu[Symbol.asyncDispose]();
    await this.#upstream?.[Symbol.asyncDispose]();
  }
}

/** Rules, each named after where it is written, that a program with these arguments must keep. */
export function testRules(
  title: string,
  args: string[],
  rules: Record<string, (subject: Subject) => Promise<void>>,
): void {
  Deno.test({
    name: title,
    ignore: missing.length > 0,
    async fn(t) {
      await using subject = await Subject.start(...args);
      for (const [name, rule] of Object.entries(rules)) {
        await t.step(name, () => rule(subject));
      }
    },
  });
}

/** Two names whose process is ready from the first query on, with a zone above them. */
export const READY =
  "dns=ours.example,dns=www.ours.example,ip=192.0.2.1,ip=2001:db8::1,name=ready,ttl=60,command=sleep inf";
/** One whose process takes a while. */
export const SLOW =
  "dns=slow.ours.example,ip=192.0.2.2,name=slow,response_delay=1.5,command=sleep inf";
/** One that nobody has asked for yet. */
export const COLD =
  "dns=cold.ours.example,ip=192.0.2.3,name=cold,command=sleep inf";
/** One whose process is gone at once. */
export const BROKEN =
  "dns=broken.ours.example,ip=192.0.2.4,name=broken,wait_for_tcp=9,wait_required=1,command=false";
