import { assert, assertEquals, assertGreater } from "@std/assert";
import fc from "fast-check";
import {
  DO,
  Flag,
  HEADER_SIZE,
  Rcode,
  Type,
} from "../../../src/dns/wire/constants.ts";
import { decodeMessage, encodeMessage } from "../../../src/dns/wire/message.ts";
import { nameKey } from "../../../src/dns/wire/name.ts";
import { QueryReader } from "../../../src/dns/wire/query.ts";
import {
  isAnswer,
  Match,
  matchReply,
  upstreamQuery,
  upstreamQuestion,
} from "../../../src/dns/forward/upstream_query.ts";
import { anyName } from "../messages.ts";
import { clientQuery, optRecord } from "../queries.ts";
import { answer, failure } from "../upstream.ts";

function questionOf(...args: Parameters<typeof clientQuery>) {
  const { packet, query } = clientQuery(...args);
  return upstreamQuestion(packet, query);
}

/** How a reply to a query for www.example.org matches it. */
function matchOf(
  change: (reply: Uint8Array, query: Uint8Array) => Uint8Array | void,
): Match {
  const question = questionOf("www.example.org");
  const query = upstreamQuery(question, true);
  const reply = encodeMessage(answer(decodeMessage(query)));
  const changed = change(reply, query) ?? reply;
  return matchReply(changed, query, question.octets.length);
}

Deno.test("any question goes upstream as it was asked, but for case, in a query the reader accepts", () => {
  fc.assert(fc.property(
    anyName,
    fc.integer({ min: 1, max: 0xff }).filter((type) => type !== Type.OPT),
    (name, type) => {
      const packet = encodeMessage({
        id: 1,
        flags: Flag.RD,
        opcode: 0,
        rcode: 0,
        questions: [{ name, type, class: 1 }],
        answers: [],
        authorities: [],
        additionals: [],
      });
      const query = new QueryReader();
      query.read(packet);
      const question = upstreamQuestion(packet, query);
      const sent = upstreamQuery(question, true);
      assertEquals(new QueryReader().read(sent), 0);
      const [asked] = decodeMessage(sent).questions;
      assertEquals(nameKey(asked.name), nameKey(name));
      assertEquals([asked.type, asked.class], [type, 1]);
    },
  ));
});

Deno.test("RD, CD and DO go upstream, nothing else of the client's does (RFC 6891 section 6.2.1)", () => {
  const rdata = Uint8Array.of(0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8); // a cookie for us alone
  const question = questionOf("a.example", Type.A, {
    id: 0x1234,
    flags: Flag.RD | Flag.CD | Flag.AD | Flag.TC,
    additionals: [{ ...optRecord(DO), rdata }],
  });
  const { flags, additionals } = decodeMessage(upstreamQuery(question, true));
  assertEquals(flags, Flag.RD | Flag.CD);
  assertEquals(additionals, [{ ...optRecord(DO), class: 1232 }]);
  const plain = decodeMessage(upstreamQuery(questionOf("a.example"), true));
  assertEquals(plain.additionals[0].ttl, 0);
  assertEquals(
    decodeMessage(upstreamQuery(question, false)).additionals,
    [],
  );
});

Deno.test("the ID and the case of each letter are random (RFC 5452 section 9.1)", () => {
  const question = questionOf("abcdefgh.ijklmnop.example-1.org");
  const ids = new Set<number>();
  const capitals = new Array(question.octets.length).fill(0);
  for (let i = 0; i < 400; i++) {
    const packet = upstreamQuery(question, true);
    ids.add(packet[0] << 8 | packet[1]);
    for (let at = 0; at < question.octets.length; at++) {
      const octet = packet[HEADER_SIZE + at];
      if (octet === question.octets[at]) continue;
      assertEquals(octet, question.octets[at] - 0x20);
      capitals[at]++;
    }
  }
  assertGreater(ids.size, 390);
  question.octets.subarray(0, -4).forEach((octet, at) => {
    const isLetter = octet >= 0x61 && octet <= 0x7a;
    if (isLetter) assert(capitals[at] > 120 && capitals[at] < 280);
    else assertEquals(capitals[at], 0);
  });
});

Deno.test("a response with the query's ID and question is its reply", () => {
  assertEquals(matchOf(() => {}), Match.REPLY);
});

Deno.test("a reply in another case is told apart from one that is right", () => {
  assertEquals(
    matchOf((reply) => void (reply[HEADER_SIZE + 1] ^= 0x20)),
    Match.OTHER_CASE,
  );
});

Deno.test("whatever else differs makes a packet no reply (RFC 5452 section 9.1)", () => {
  const changes: Record<string, (reply: Uint8Array) => Uint8Array | void> = {
    "the first octet of the ID": (reply) => void (reply[0] ^= 1),
    "the second octet of the ID": (reply) => void (reply[1] ^= 1),
    "a query": (reply) => void (reply[2] &= 0x7f),
    "another opcode": (reply) => void (reply[2] |= 0x20),
    "no question": (reply) => void (reply[5] = 0),
    "two questions": (reply) => void (reply[5] = 2),
    "another label": (reply) => void (reply[HEADER_SIZE + 1] ^= 1),
    "another length of a label": (reply) => void (reply[HEADER_SIZE] ^= 1),
    "another type by 32": (reply) => void (reply[HEADER_SIZE + 18] ^= 0x20),
    "another class by 32": (reply) => void (reply[HEADER_SIZE + 20] ^= 0x20),
    "no more than a header": (reply) => reply.subarray(0, HEADER_SIZE),
    "less than a header": (reply) => reply.subarray(0, HEADER_SIZE - 1),
    "half a question": (reply) => reply.subarray(0, HEADER_SIZE + 10),
  };
  for (const [what, change] of Object.entries(changes)) {
    assertEquals(matchOf(change), Match.NONE, what);
  }
});

Deno.test("a server that cannot read a query may leave out the question, but cannot answer without it", () => {
  const bare = (rcode: number) =>
    matchOf((_, query) =>
      encodeMessage({ ...failure(decodeMessage(query), rcode), questions: [] })
    );
  assertEquals(bare(Rcode.FORMERR), Match.BARE_ERROR);
  assertEquals(bare(Rcode.NOERROR), Match.NONE);
  assertEquals(bare(Rcode.NXDOMAIN), Match.NONE);
});

Deno.test("any packet at all is matched without an error", () => {
  const question = questionOf("www.example.org");
  const query = upstreamQuery(question, true);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (packet) => {
    matchReply(packet, query, question.octets.length);
  }));
});

Deno.test("NOERROR, NXDOMAIN and YXDOMAIN tell of the name (RFC 6672 section 2.2), all else of the server", () => {
  const answers = Array.from({ length: 24 }, (_, rcode) => rcode).filter(
    isAnswer,
  );
  assertEquals(answers, [Rcode.NOERROR, Rcode.NXDOMAIN, Rcode.YXDOMAIN]);
});
