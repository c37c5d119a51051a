/**
 * The real messages that hostile packets are made of: queries that dig sent, and messages that dns-packet and our own
 * codec make.
 *
 * @module
 */
import dnsPacket from "dns-packet";
import { encodeMessage } from "../../src/dns/wire/message.ts";
import { parseName } from "../../src/dns/wire/name.ts";

/** Lines of hexadecimal octets; others are comments. */
const DIG = new URL("dig.hex", import.meta.url);

/** Names that the servers under test have; see zone.ts and server.ts. */
export const NAMES = ["www.jitsu.test", "cold.jitsu.test", "broken.jitsu.test"];
/** Names that are forwarded, and one that is answered specially. */
const FOREIGN = ["elsewhere.example", "www.elsewhere.example", "localhost"];

function fromDig(): Uint8Array[] {
  return Deno.readTextFileSync(DIG).split("\n")
    .filter((line) => /^[0-9a-f]+$/.test(line)).map((line) =>
      Uint8Array.fromHex(line)
    );
}

/** Queries, and the responses, updates and notifications that somebody may send where queries are expected. */
function fromDnsPacket(): Uint8Array[] {
  const types = [
    "A",
    "AAAA",
    "MX",
    "SRV",
    "SOA",
    "NS",
    "HINFO",
    "ANY",
  ] as const;
  const queries = [...NAMES, ...FOREIGN].flatMap((name) =>
    types.map((type) =>
      dnsPacket.encode({
        type: "query",
        id: 1,
        flags: dnsPacket.RECURSION_DESIRED,
        questions: [{ type, name }],
      })
    )
  );
  const name = "www.jitsu.test", ttl = 60;
  const response = dnsPacket.encode({
    type: "response",
    id: 2,
    questions: [{ type: "A", name }],
    answers: [
      { type: "CNAME", name, ttl, data: "a.jitsu.test" },
      { type: "A", name: "a.jitsu.test", ttl, data: "192.0.2.1" },
      {
        type: "MX",
        name,
        ttl,
        data: { preference: 1, exchange: "mail.jitsu.test" },
      },
      { type: "TXT", name, ttl, data: ["a", "b"] },
      { type: "SRV", name, ttl, data: { port: 1, target: "srv.jitsu.test" } },
    ],
    authorities: [{
      type: "NS",
      name: "jitsu.test",
      ttl,
      data: "ns.jitsu.test",
    }],
  });
  // The same as a query: sections that a query has no use for are walked all the same.
  const asQuery = Uint8Array.from(response);
  asQuery[2] &= 0x7f;
  return [...queries, response, asQuery].map((octets) =>
    new Uint8Array(octets)
  );
}

function fromCodec(): Uint8Array[] {
  const record = (name: string, type: number, rdata: Uint8Array) => ({
    name: parseName(name),
    type,
    class: 1,
    ttl: 60,
    rdata,
  });
  const soa = Uint8Array.from([
    ...parseName("ns.jitsu.test"),
    ...parseName("hostmaster.jitsu.test"),
    ...new Uint8Array(20),
  ]);
  const questions = NAMES.map((name) => ({
    name: parseName(name),
    type: 1,
    class: 1,
  }));
  const message = { id: 3, flags: 0x0100, opcode: 0, rcode: 0, questions };
  const sections = { answers: [], authorities: [], additionals: [] };
  return [
    encodeMessage({ ...message, ...sections }), // three questions
    encodeMessage({ ...message, ...sections, questions: [] }),
    encodeMessage({
      ...message,
      questions: [{ name: parseName("jitsu.test"), type: 251, class: 1 }],
      answers: [],
      authorities: [record("jitsu.test", 6, soa)], // IXFR (RFC 1995)
      additionals: [record("jitsu.test", 250, new Uint8Array(40))], // TSIG
    }),
  ];
}

/** All of them. */
export function makeCorpus(): Uint8Array[] {
  return [...fromDig(), ...fromDnsPacket(), ...fromCodec()];
}
