import { assertEquals } from "@std/assert";
import { Rcode, Type } from "../../../src/dns/wire/constants.ts";
import { decodeMessage, encodeMessage } from "../../../src/dns/wire/message.ts";
import { formatName, parseName } from "../../../src/dns/wire/name.ts";
import { specialAnswer } from "../../../src/dns/zone/special_names.ts";

/** What is answered for a name: `[NOERROR or NXDOMAIN, data, owner of the SOA]`; undefined when it is not special. */
function answerTo(name: string, type: number = Type.A) {
  const question = { name: parseName(name), type, class: 1 };
  const none = { answers: [], authorities: [], additionals: [] };
  const packet = encodeMessage({
    id: 0,
    flags: 0,
    opcode: 0,
    rcode: 0,
    questions: [question],
    ...none,
  });
  const special = specialAnswer(packet, packet.length, type);
  if (special === undefined) return undefined;
  const { exists, answer, authority } = special;
  // As a response would have it, so that the records' pointers mean something.
  const response = Uint8Array.of(
    ...packet,
    ...answer.octets,
    ...authority.octets,
  );
  response[7] = answer.count;
  response[9] = authority.count;
  const message = decodeMessage(response);
  return [
    exists ? Rcode.NOERROR : Rcode.NXDOMAIN,
    message.answers.map(({ type, rdata }) =>
      type === Type.PTR ? formatName(rdata) : [...rdata].join(".")
    ).join(),
    message.authorities.map(({ name }) => formatName(name)).join(),
  ];
}

Deno.test("localhost and all below it are this host (RFC 6761 section 6.3)", () => {
  assertEquals(answerTo("localhost"), [Rcode.NOERROR, "127.0.0.1", ""]);
  assertEquals(answerTo("a.LocalHost", Type.AAAA), [
    Rcode.NOERROR,
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1",
    "",
  ]);
  assertEquals(answerTo("localhost", Type.MX), [
    Rcode.NOERROR,
    "",
    "localhost.",
  ]);
  assertEquals(answerTo("1.0.0.127.in-addr.arpa", Type.PTR), [
    Rcode.NOERROR,
    "localhost.",
    "",
  ]);
  assertEquals(answerTo("1." + "0.".repeat(31) + "ip6.arpa", Type.PTR), [
    Rcode.NOERROR,
    "localhost.",
    "",
  ]);
});

Deno.test("names that do not exist anywhere are not asked for (RFC 6761, RFC 6762, RFC 7686, RFC 9476)", () => {
  for (const domain of ["invalid", "test", "local", "onion", "alt"]) {
    assertEquals(answerTo(`www.example.${domain}`), [
      Rcode.NXDOMAIN,
      "",
      `${domain}.`,
    ]);
    assertEquals(answerTo(domain)![0], Rcode.NXDOMAIN);
  }
});

Deno.test("reverse names of private and special addresses are not asked for (RFC 6303)", () => {
  for (
    const [name, zone] of [
      ["1.2.3.10.in-addr.arpa", "10.in-addr.arpa."],
      ["1.0.16.172.in-addr.arpa", "16.172.in-addr.arpa."],
      ["1.0.31.172.in-addr.arpa", "31.172.in-addr.arpa."],
      ["1.1.168.192.in-addr.arpa", "168.192.in-addr.arpa."],
      ["9.9.254.169.in-addr.arpa", "254.169.in-addr.arpa."],
      ["2.0.0.127.in-addr.arpa", "127.in-addr.arpa."],
      ["1.0.64.100.in-addr.arpa", "64.100.in-addr.arpa."],
      ["1.0.127.100.in-addr.arpa", "127.100.in-addr.arpa."],
      ["5.d.f.ip6.arpa", "d.f.ip6.arpa."],
      ["0.8.e.f.ip6.arpa", "8.e.f.ip6.arpa."],
    ]
  ) {
    assertEquals(answerTo(name, Type.PTR), [Rcode.NXDOMAIN, "", zone]);
  }
  for (
    const name of [
      "1.0.15.172.in-addr.arpa",
      "1.0.63.100.in-addr.arpa",
      "1.2.0.193.in-addr.arpa",
    ]
  ) {
    assertEquals(answerTo(name, Type.PTR), undefined, name);
  }
});

Deno.test("a private zone's apex exists, with a SOA record (RFC 6303 section 3)", () => {
  assertEquals(answerTo("10.in-addr.arpa", Type.PTR), [
    Rcode.NOERROR,
    "",
    "10.in-addr.arpa.",
  ]);
  assertEquals(answerTo("10.in-addr.arpa", Type.SOA)!.slice(0, 1), [
    Rcode.NOERROR,
  ]);
  assertEquals(answerTo("printer.home.arpa"), [
    Rcode.NXDOMAIN,
    "",
    "home.arpa.",
  ]);
});

Deno.test("any other name is somebody's", () => {
  for (
    const name of [
      ".",
      "org",
      "example.org",
      "local.example.org",
      "mytest",
      "arpa",
      "in-addr.arpa",
      "localhost.org",
    ]
  ) {
    assertEquals(answerTo(name), undefined, name);
  }
});
