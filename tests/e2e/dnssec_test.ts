/**
 * A client that validates, behind the whole program, behind an upstream server with an odd habit: BIND's delv, and
 * unbound, which validates too and has a zone signed by BIND's tools.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Flag, Rcode, Type } from "../../src/dns/wire/constants.ts";
import { encodeMessage, type Message } from "../../src/dns/wire/message.ts";
import { formatName } from "../../src/dns/wire/name.ts";
import {
  failure,
  type Received,
  type ScriptedUpstream,
  startUpstream,
} from "../dns/upstream.ts";
import { canDig, freePort, isInstalled, Jitsu } from "./harness.ts";
import { NameServer } from "./name_servers.ts";

const canSign = await isInstalled("dnssec-signzone", "-V") &&
  await isInstalled("delv", "-v") && await isInstalled("unbound", "-V");
if (!canSign) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log(
    "skipped: tests of DNSSEC need dnssec-signzone, delv and unbound (apt-get install bind9-utils bind9-dnsutils unbound)",
  );
}

const CONFIG = "dns=www.test,ip=127.0.0.2,name=www,command=sleep infinity";

const ZONE = "signed.example";
const NAMES = ["first", "second", "third", "odd", "bogus"];
/** More than any server sends over UDP. */
const BIG = 60;
const RECORDS = [
  "$TTL 300",
  `$ORIGIN ${ZONE}.`,
  "@ SOA ns admin 1 3600 600 86400 60",
  "@ NS ns",
  "ns A 192.0.2.53",
  ...NAMES.map((name) => `${name} A 192.0.2.80`),
  ...Array.from({ length: BIG }, (_, i) => `big TXT "${i} ${"x".repeat(100)}"`),
];

async function run(
  directory: string,
  command: string,
  ...args: string[]
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd: directory,
  }).output();
  const decoder = new TextDecoder();
  if (code !== 0) throw new Error(`${command}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).trim();
}

/** Signs the zone, with NSEC3, and then changes one address, so that its signature is wrong. */
async function sign(directory: string): Promise<void> {
  const algorithm = ["-q", "-a", "ECDSAP256SHA256"];
  const keys = [
    await run(directory, "dnssec-keygen", ...algorithm, "-f", "KSK", ZONE),
    await run(directory, "dnssec-keygen", ...algorithm, ZONE),
  ];
  const includes = keys.map((key) => `$INCLUDE ${key}.key`);
  const zone = [...RECORDS, ...includes, ""].join("\n");
  await Deno.writeTextFile(`${directory}/zone`, zone);
  await run(
    directory,
    "dnssec-signzone",
    ...["-3", "abcd", "-O", "full", "-o", ZONE, "zone"],
  );
  const signed = await Deno.readTextFile(`${directory}/zone.signed`);
  const bogus = new RegExp(`^(bogus.*\\sA\\s+)192\\.0\\.2\\.80$`, "m");
  assert(bogus.test(signed), signed);
  await Deno.writeTextFile(
    `${directory}/zone.signed`,
    signed.replace(bogus, "$1192.0.2.81"),
  );
  const record = await Deno.readTextFile(`${directory}/${keys[0]}.key`);
  const [, key, secret] = record.match(/DNSKEY (\d+ \d+ \d+) (.*)/)!;
  await Deno.writeTextFile(
    `${directory}/anchors`,
    `trust-anchors { ${ZONE}. static-key ${key} "${secret}"; };\n`,
  );
  await Deno.writeTextFile(
    `${directory}/anchor.key`,
    `${ZONE}. IN DNSKEY ${key} ${secret}\n`,
  );
}

/** A resolver that has the zone and validates it. */
async function startResolver(directory: string): Promise<NameServer> {
  const place = { address: "127.0.0.1", port: freePort() };
  const config = [
    "server:",
    `interface: ${place.address}@${place.port}`,
    "do-daemonize: no",
    'username: ""',
    'chroot: ""',
    'pidfile: ""',
    "use-syslog: no",
    "access-control: 127.0.0.0/8 allow",
    'module-config: "validator iterator"',
    `trust-anchor-file: "${directory}/anchor.key"`,
    "auth-zone:",
    `name: "${ZONE}"`,
    `zonefile: "${directory}/zone.signed"`,
    "for-downstream: no",
    "for-upstream: yes",
  ];
  await Deno.writeTextFile(`${directory}/unbound.conf`, config.join("\n"));
  const args = ["-c", `${directory}/unbound.conf`];
  return await new NameServer("unbound", args, place).replies(`ns.${ZONE}`);
}

/** Asks a server the same over UDP or TCP, and returns the octets of its reply. */
async function relay(
  { query, transport }: Received,
  to: NameServer,
): Promise<Uint8Array> {
  const octets = encodeMessage(query);
  if (transport === "udp") {
    const socket = Deno.listenDatagram({
      transport: "udp",
      hostname: "127.0.0.1",
      port: 0,
    });
    try {
      await socket.send(octets, {
        transport: "udp",
        hostname: to.address,
        port: to.port,
      });
      const [reply] = await socket.receive(new Uint8Array(4096));
      return reply;
    } finally {
      socket.close();
    }
  }
  using conn = await Deno.connect({ hostname: to.address, port: to.port });
  await conn.write(Uint8Array.of(octets.length >> 8, octets.length, ...octets));
  let reply = new Uint8Array(0);
  for await (const chunk of conn.readable) {
    reply = Uint8Array.of(...reply, ...chunk);
    if (reply.length >= 2 + (reply[0] << 8 | reply[1])) break;
  }
  return reply.slice(2);
}

/** A server in front of the resolver that does not know EDNS where it is asked for one of the names. */
function startOdd(resolver: NameServer): ScriptedUpstream {
  return startUpstream(async (received) => {
    const { query, reply } = received;
    const name = formatName(query.questions[0].name).toLowerCase();
    const isOdd = name === `odd.${ZONE}.` && query.additionals.length > 0;
    await reply(
      isOdd ? failure(query, Rcode.FORMERR) : await relay(received, resolver),
    );
  }, { tcp: true });
}

function test(
  name: string,
  fn: (ask: {
    /** What delv says of a name. */
    delv: (name: string, type?: string) => Promise<string>;
    jitsu: Jitsu;
    upstream: ScriptedUpstream;
  }) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !canDig || !canSign,
    async fn() {
      const directory = await Deno.makeTempDir();
      try {
        await sign(directory);
        await using resolver = await startResolver(directory);
        await using upstream = startOdd(resolver);
        await using jitsu = await Jitsu.start(
          "--backend=process",
          ...["-f", "127.0.0.1", "-p", String(upstream.server.port)],
          CONFIG,
        );
        const delv = async (name: string, type = "A") => {
          const { stdout, stderr } = await new Deno.Command("delv", {
            args: [
              ...[`@${jitsu.address}`, "-p", String(jitsu.port)],
              ...["-a", `${directory}/anchors`, `+root=${ZONE}`],
              ...[`${name}.${ZONE}`, type],
            ],
          }).output();
          const decoder = new TextDecoder();
          return decoder.decode(stdout) + decoder.decode(stderr);
        };
        await fn({ delv, jitsu, upstream });
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

/** What was asked of upstream about a name's addresses. */
const askedFor = ({ received }: ScriptedUpstream, name: string): Message[] =>
  received.map(({ query }) => query).filter(({ questions: [question] }) =>
    question.type === Type.A &&
    formatName(question.name).toLowerCase() === `${name}.${ZONE}.`
  );

test("one name that a server answers without EDNS leaves all other names valid for a client that validates", async ({ delv, jitsu, upstream }) => {
  const valid = "; fully validated";
  assertStringIncludes(await delv("first"), valid);
  for (let i = 0; i < 3; i++) assert(!(await delv("odd")).includes(valid));
  await jitsu.dig(`odd.${ZONE}`);
  const asked = upstream.received.length;
  assertStringIncludes(await delv("first"), valid);
  assertEquals(upstream.received.length, asked, "it is in the cache");
  assertStringIncludes(await delv("second"), valid);
  assertStringIncludes(await delv("third"), valid);
  // That there is no such name is shown by NSEC3 records.
  const none = await delv("none");
  assertStringIncludes(none, "ncache nxdomain");
  assertStringIncludes(none, "; negative response, fully validated");
  assertEquals(upstream.transports.includes("tcp"), false);
  const big = await delv("big", "TXT");
  assertStringIncludes(big, valid);
  assertEquals(
    big.split("\n").filter((line) => /\sTXT\s+"/.test(line)).length,
    BIG,
  );
  assert(upstream.transports.includes("tcp"));
});

test("what is asked with DO or CD is kept apart from what is asked without", async ({ jitsu, upstream }) => {
  const ask = async (name: string, ...args: string[]) => {
    const { status, answers } = await jitsu.dig(`${name}.${ZONE}`, {
      args,
    });
    const types = answers.map(({ type }) => type).sort();
    return [status, types.join(" ")];
  };
  for (let i = 0; i < 2; i++) {
    assertEquals(await ask("first", "+dnssec"), ["NOERROR", "A RRSIG"]);
    assertEquals(await ask("first", "+nodnssec"), ["NOERROR", "A"]);
    assertEquals(await ask("second", "+nodnssec"), ["NOERROR", "A"]);
    assertEquals(await ask("second", "+dnssec"), ["NOERROR", "A RRSIG"]);
    assertEquals((await ask("bogus"))[0], "SERVFAIL");
    assertEquals(await ask("bogus", "+cd"), ["NOERROR", "A"]);
  }
  for (const name of ["first", "second"]) {
    assertEquals(askedFor(upstream, name).length, 2, name);
  }
  const withCd = askedFor(upstream, "bogus").filter(({ flags }) =>
    (flags & Flag.CD) !== 0
  );
  assertEquals(withCd.length, 1);
});
