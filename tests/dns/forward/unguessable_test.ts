/**
 * What a forger who cannot see the queries has to guess, and what he gains by a reply of his own (RFC 5452).
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { parseAddress } from "../../../src/net/address.ts";
import { Type } from "../../../src/dns/wire/constants.ts";
import { parseName, ROOT } from "../../../src/dns/wire/name.ts";
import { UpstreamForwarder } from "../../../src/dns/forward/forwarder.ts";
import { Route, Routes } from "../../../src/dns/forward/routes.ts";
import { clientQuery } from "../queries.ts";
import { answer, type ScriptedUpstream, startUpstream } from "../upstream.ts";

const CLIENT = parseAddress("127.0.0.1")!;

function forwarderTo({ server }: ScriptedUpstream): UpstreamForwarder {
  const servers = [server];
  const route = new Route(ROOT, () => Promise.resolve(servers), () => false);
  return new UpstreamForwarder({
    routes: new Routes(route, []),
    cacheSize: 100,
    serveStale: 0,
    privateAnswers: { when: "allow", exceptions: [] },
  });
}

function ask(forwarder: UpstreamForwarder, name: string, type?: number) {
  const { packet, query } = clientQuery(name, type);
  return forwarder.find(packet, query) ??
    forwarder.resolve(packet, query, CLIENT);
}

/** Pearson's chi-square of how often each of `cells` values came up, where all are as likely. */
function chiSquare(values: number[], cells: number): number {
  const counts = new Array<number>(cells).fill(0);
  for (const value of values) counts[value]++;
  const expected = values.length / cells;
  return counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
}

/** What chance exceeds once in more than a million times: six standard deviations over the mean, and some. */
const limitFor = (cells: number) => cells - 1 + 8 * Math.sqrt(2 * (cells - 1));

Deno.test("IDs, the case of letters and source ports are as likely one as the other, over 2,000 queries", async () => {
  await using upstream = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  const forwarder = forwarderTo(upstream);
  // 40 letters each: `i`, in letters, and a tail.
  const name = (i: number) =>
    `${
      [...i.toString(2).padStart(11, "0")].map((bit) => "ab"[Number(bit)])
        .join("")
    }${"x".repeat(22)}.example`;
  for (let i = 0; i < 2000; i += 50) {
    const batch = Array.from(
      { length: 50 },
      (_, j) => ask(forwarder, name(i + j)),
    );
    await Promise.all(batch);
  }
  forwarder.close(new Error("over"));
  const { received } = upstream;
  assert(received.length >= 2000);

  const ids = received.map(({ query }) => query.id);
  for (const octets of [ids.map((id) => id >> 8), ids.map((id) => id & 255)]) {
    const chance = chiSquare(octets, 256);
    assert(chance < limitFor(256), `${chance}`);
  }
  const differences = ids.slice(1).map((id, i) => (id - ids[i] & 0xffff) >> 8);
  assert(chiSquare(differences, 256) < limitFor(256), "IDs follow each other");

  const isUpper = (octet: number) => octet >= 0x41 && octet <= 0x5a ? 1 : 0;
  for (let at = 1; at <= 33; at++) {
    const cases = received.map(({ query }) =>
      isUpper(query.questions[0].name[at])
    );
    const chance = chiSquare(cases, 2);
    assert(chance < 40, `letter ${at}: ${chance}`);
  }

  // Each port was chosen once, for one query or for several.
  const ports = [...new Set(received.map(({ port }) => port))];
  assert(ports.length >= 256, `${ports.length} ports`);
  const [low, high] = (await Deno.readTextFile(
    "/proc/sys/net/ipv4/ip_local_port_range",
  )).trim().split(/\s+/).map(Number);
  const places = ports.map((port) =>
    Math.floor((port - low) * 16 / (high - low + 1))
  );
  const chance = chiSquare(places, 16);
  assert(chance < limitFor(16), `${chance}`);
});

Deno.test("records about other names in a reply, in any section, are nobody's answer but the asker's", async () => {
  const bank = parseName("bank.example");
  await using upstream = startUpstream(({ query, reply }) => {
    const real = answer(query);
    const forged = {
      ...real.answers[0],
      name: bank,
      rdata: Uint8Array.of(6, 6, 6, 6),
    };
    const isBank = query.questions[0].name[1] === bank[1] ||
      query.questions[0].name[1] === bank[1] - 0x20;
    return reply(
      isBank ? real : {
        ...real,
        answers: [...real.answers, forged],
        authorities: [{
          ...forged,
          type: Type.NS,
          rdata: parseName("ns.evil.example"),
        }],
        additionals: [forged],
      },
    );
  });
  const forwarder = forwarderTo(upstream);
  await ask(forwarder, "evil.example");
  const { answer: section } = await ask(forwarder, "bank.example");
  assertEquals([...section.octets.subarray(-4)], [192, 0, 2, 80]);
  assertEquals(upstream.received.length, 2);
  forwarder.close(new Error("over"));
});
