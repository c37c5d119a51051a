import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { DO, Flag, Type } from "../../../src/dns/wire/constants.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../../src/dns/wire/message.ts";
import { hashName, nameKey, parseName } from "../../../src/dns/wire/name.ts";
import { QueryReader, Verdict } from "../../../src/dns/wire/query.ts";
import { anyMessage, hostName } from "../messages.ts";

const reader = new QueryReader();

/** A query; parts override. */
function query(parts: Partial<Message> = {}): Message {
  return {
    id: 7,
    flags: Flag.RD,
    opcode: 0,
    rcode: 0,
    questions: [{ name: parseName("www.example.org"), type: Type.A, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
    ...parts,
  };
}

/** An OPT record. */
function opt(ttl: number, rdata: number[] = [], size = 4096) {
  return {
    name: new Uint8Array(1),
    type: Type.OPT,
    class: size,
    ttl,
    rdata: Uint8Array.from(rdata),
  };
}

const read = (parts: Partial<Message>) =>
  reader.read(encodeMessage(query(parts)));

Deno.test("a query's question is read as the codec reads it", () => {
  fc.assert(
    fc.property(hostName, fc.constantFrom(1, 28, 65, 255), (name, type) => {
      assertEquals(
        read({ questions: [{ name, type, class: 1 }] }),
        Verdict.ANSWER,
      );
      assertEquals(reader.hash, hashName(name));
      assertEquals([reader.type, reader.class], [type, 1]);
      assertEquals(reader.questionEnd, 12 + name.length + 4);
    }),
  );
});

Deno.test("a response is dropped, so that two servers never answer each other for ever", () => {
  assertEquals(read({ flags: Flag.QR }), Verdict.DROP);
});

Deno.test("less than a header is dropped", () => {
  assertEquals(reader.read(new Uint8Array(11)), Verdict.DROP);
});

Deno.test("any number of questions but one is FORMERR (RFC 9619)", () => {
  const [question] = query().questions;
  assertEquals(read({ questions: [] }), Verdict.FORMERR);
  assertEquals(read({ questions: [question, question] }), Verdict.FORMERR);
});

Deno.test("an opcode other than QUERY is NOTIMP, whatever follows the header (RFC 8906)", () => {
  for (const opcode of [1, 2, 3, 4, 5, 6, 15]) {
    assertEquals(read({ opcode, questions: [] }), Verdict.NOTIMP);
  }
});

Deno.test("an OPT record is read wherever it stands among the additional records (RFC 6891)", () => {
  const other = {
    name: parseName("a"),
    type: Type.A,
    class: 1,
    ttl: 0,
    rdata: new Uint8Array(4),
  };
  const cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
  const unknown = [0xff, 0xfe, 0, 3, 1, 2, 3];
  assertEquals(
    read({
      additionals: [
        other,
        opt(DO, [...unknown, ...cookie, 0, 3, 0, 0], 1400),
        other,
      ],
    }),
    Verdict.ANSWER,
  );
  assert(reader.edns && reader.nsid);
  assertEquals(reader.udpSize, 1400);
  assertEquals(reader.ednsFlags, DO);
  assertEquals(reader.cookieLength, 8);
});

Deno.test("what one query had is not remembered with the next", () => {
  read({
    additionals: [opt(DO, [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 3, 0, 0])],
  });
  read({});
  assertEquals(reader.edns, false);
  read({ additionals: [opt(0)] });
  assertEquals([reader.cookieLength, reader.nsid, reader.ednsFlags], [
    0,
    false,
    0,
  ]);
});

Deno.test("two OPT records, one not at the root, or one among the answers are FORMERR (RFC 6891 section 6.1.1)", () => {
  assertEquals(read({ additionals: [opt(0), opt(0)] }), Verdict.FORMERR);
  assertEquals(
    read({ additionals: [{ ...opt(0), name: parseName("a") }] }),
    Verdict.FORMERR,
  );
  assertEquals(read({ answers: [opt(0)] }), Verdict.FORMERR);
});

Deno.test("an EDNS version that is not 0 is BADVERS (RFC 6891 section 6.1.3)", () => {
  assertEquals(read({ additionals: [opt(1 << 16)] }), Verdict.BADVERS);
});

Deno.test("a cookie of a length that cannot be is FORMERR (RFC 7873 section 5.2.2)", () => {
  for (const length of [0, 7, 9, 15, 41]) {
    const option = [0, 10, 0, length, ...Array(length).fill(1)];
    assertEquals(
      read({ additionals: [opt(0, option)] }),
      Verdict.FORMERR,
      String(length),
    );
  }
});

Deno.test("options that do not fill the record are FORMERR", () => {
  assertEquals(read({ additionals: [opt(0, [0, 3, 0])] }), Verdict.FORMERR);
  assertEquals(
    read({ additionals: [opt(0, [0, 3, 0, 4, 1])] }),
    Verdict.FORMERR,
  );
});

Deno.test("a record whose owner, or a name in whose data, cannot be read is FORMERR", () => {
  const records: [what: string, octets: number[]][] = [
    ["a pointer to itself", [0xc0, 33, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
    ["a pointer into the header", [0xc0, 4, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
    ["a pointer forward", [0xc0, 40, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
    ["a label of an unknown type", [0x41, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
    ["a name in its data that ends behind it", [
      ...[0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 5, 0x61],
    ]],
    ["a pointer in its data that leads to itself", [
      ...[0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0xc0, 44],
    ]],
    ["a pointer in data that has none", [
      ...[0, 0, 39, 0, 1, 0, 0, 0, 0, 0, 2, 0xc0, 12],
    ]],
  ];
  const plain = encodeMessage(query());
  for (const [what, record] of records) {
    for (const section of [7, 9, 11]) {
      const packet = Uint8Array.of(...plain, ...record);
      packet[section] = 1;
      assertEquals(reader.read(packet), Verdict.FORMERR, what);
    }
  }
  const right = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0xc0, 16];
  const packet = Uint8Array.of(...plain, ...right);
  packet[7] = 1;
  assertEquals(reader.read(packet), Verdict.ANSWER);
});

Deno.test("a query that is signed is told from others, and its TSIG record must be the last one (RFC 8945 section 5.1)", () => {
  const tsig = {
    ...opt(0),
    type: Type.TSIG,
    rdata: Uint8Array.of(0, ...new Uint8Array(16)),
  };
  assertEquals(read({ additionals: [opt(0), tsig] }), Verdict.SIGNED);
  assertEquals(read({ additionals: [tsig, opt(0)] }), Verdict.FORMERR);
  assertEquals(read({ additionals: [tsig, tsig] }), Verdict.FORMERR);
  assertEquals(read({ answers: [tsig] }), Verdict.FORMERR);
  const cut = { ...tsig, rdata: tsig.rdata.subarray(1) };
  assertEquals(read({ additionals: [cut] }), Verdict.FORMERR);
  assertEquals(read({ additionals: [opt(0)] }), Verdict.ANSWER);
});

Deno.test("octets after the message are FORMERR", () => {
  assertEquals(
    reader.read(Uint8Array.of(...encodeMessage(query()), 0)),
    Verdict.FORMERR,
  );
});

Deno.test("a compressed question is FORMERR: there is nothing before it to point to", () => {
  const packet = Uint8Array.of(
    0,
    7,
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    0xc0,
    12,
    0,
    1,
    0,
    1,
  );
  assertEquals(reader.read(packet), Verdict.FORMERR);
});

Deno.test("what is cut anywhere is FORMERR or dropped, never answered", () => {
  const whole = encodeMessage(
    query({ additionals: [opt(0, [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])] }),
  );
  for (let length = 0; length < whole.length; length++) {
    const verdict = reader.read(whole.subarray(0, length));
    assert(
      verdict === Verdict.FORMERR || verdict === Verdict.DROP,
      `${length} octets`,
    );
  }
});

Deno.test("whatever is answered, the codec can decode too, and sees the same question", () => {
  const packets = fc.tuple(
    anyMessage.map((message) =>
      encodeMessage({ ...message, flags: 0, additionals: [opt(0)] })
    ),
    fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 4 }),
  ).map(([octets, changes]) => {
    for (const [at, value] of changes) octets[at % octets.length] = value;
    return octets;
  });
  fc.assert(
    fc.property(packets, (packet) => {
      if (reader.read(packet) !== Verdict.ANSWER) return;
      let message;
      try {
        message = decodeMessage(packet);
      } catch {
        return; // the reader does not look into RDATA that is not its own
      }
      const [question] = message.questions;
      assertEquals([reader.type, reader.class], [
        question.type,
        question.class,
      ]);
      assertEquals(
        nameKey(packet.slice(12, reader.questionEnd - 4)),
        nameKey(question.name),
      );
    }),
    { numRuns: 3000 },
  );
});

Deno.test("no question is right where a cookie is all that is asked for (RFC 7873 section 5.4)", () => {
  const cookie = opt(0, [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals(
    read({ questions: [], additionals: [cookie] }),
    Verdict.COOKIE,
  );
  assertEquals(read({ questions: [], additionals: [opt(0)] }), Verdict.FORMERR);
});
