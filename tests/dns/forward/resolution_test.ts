import { assert, assertEquals, assertLess } from "@std/assert";
import fc from "fast-check";
import {
  Flag,
  HEADER_SIZE,
  MAX_MESSAGE,
  Rcode,
  Type,
} from "../../../src/dns/wire/constants.ts";
import { Inquiry } from "../../../src/dns/wire/inquiry.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type ResourceRecord,
} from "../../../src/dns/wire/message.ts";
import { nameKey, parseName, WireError } from "../../../src/dns/wire/name.ts";
import {
  resolutionOf,
  writeResolution,
} from "../../../src/dns/forward/resolution.ts";
import { upstreamQuestion } from "../../../src/dns/forward/upstream_query.ts";
import { leastTime } from "../../cpu_time.ts";
import { expandingMessage } from "../../fuzz/expanding.ts";
import { Random } from "../../fuzz/random.ts";
import { anyMessage } from "../messages.ts";
import { clientQuery, optRecord } from "../queries.ts";
import { answer } from "../upstream.ts";

/** A response of upstream's, and what is kept of it. */
const anyReply: fc.Arbitrary<Message> = anyMessage.map((message) => ({
  ...message,
  rcode: message.rcode % 2 === 0 ? Rcode.NOERROR : Rcode.NXDOMAIN,
}));

function kept(reply: Message) {
  const [{ name, type }] = reply.questions;
  const { packet, query } = clientQuery(".", type, {
    questions: [{ name, type, class: 1 }],
  });
  return resolutionOf(reply, upstreamQuestion(packet, query));
}

/** The response to a client that asks for it, after that many seconds. */
function given(
  resolution: ReturnType<typeof kept>,
  { questions: [{ name, type }] }: Message,
  { age = 0, limit = MAX_MESSAGE, edns = true } = {},
): Message {
  const { packet, query } = clientQuery(".", type, {
    questions: [{ name, type, class: 1 }],
    additionals: edns ? [optRecord()] : [],
  });
  const inquiry = new Inquiry(query);
  inquiry.packet = packet;
  inquiry.limit = limit;
  const out = new Uint8Array(limit);
  const aged = { ...resolution, age };
  return decodeMessage(out.subarray(0, writeResolution(inquiry, out, aged)));
}

/** The records of a message, their names for comparison, without OPT. */
function recordsOf({ answers, authorities, additionals }: Message) {
  return [answers, authorities, additionals].map((section) =>
    section.filter(({ type }) => type !== Type.OPT)
      .map((record) => ({ ...record, name: nameKey(record.name), ttl: 0 }))
      // names within the data are the client's case or upstream's
      .map((record) => ({ ...record, rdata: nameKey(record.rdata) }))
  );
}

const ttlsOf = ({ answers, authorities, additionals }: Message) =>
  [...answers, ...authorities, ...additionals]
    .filter(({ type }) => type !== Type.OPT).map(({ ttl }) => ttl);

Deno.test("whatever upstream says, the client gets the same records", () => {
  fc.assert(fc.property(anyReply, fc.boolean(), (reply, edns) => {
    const response = given(kept(reply), reply, { edns });
    assertEquals(recordsOf(response), recordsOf(reply));
    assertEquals(response.rcode, reply.rcode);
    assertEquals(response.questions, reply.questions);
  }));
});

Deno.test("whatever octets a server sends, what can be read of them can be kept and given out", () => {
  const change = fc.record({ at: fc.nat(400), octet: fc.nat(255) });
  let read = 0;
  fc.assert(
    fc.property(
      anyReply,
      fc.array(change, { minLength: 1, maxLength: 4 }),
      (reply, changes) => {
        const octets = encodeMessage(reply);
        const [{ name }] = reply.questions;
        const start = HEADER_SIZE + name.length + 4;
        for (const { at, octet } of changes) {
          octets[start + at % Math.max(1, octets.length - start)] = octet;
        }
        let changed;
        try {
          changed = decodeMessage(octets);
        } catch {
          return; // not to be read: no reply
        }
        read++;
        const resolution = kept(changed);
        const response = given(resolution, changed, {
          age: resolution.lifetime,
        });
        assertEquals(recordsOf(response), recordsOf(changed));
      },
    ),
    { numRuns: 500 },
  );
  assert(read > 50);
});

Deno.test("TTLs age together, and none is given out at 0 or below as long as the answer is kept (RFC 2308 section 5)", () => {
  fc.assert(fc.property(
    anyReply,
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (reply, part) => {
      const resolution = kept(reply);
      if (resolution.lifetime === 0) return;
      const age = Math.floor(part * resolution.lifetime);
      const fresh = ttlsOf(given(resolution, reply));
      const aged = ttlsOf(given(resolution, reply, { age }));
      assertEquals(aged, fresh.map((ttl) => ttl - age));
      assert(aged.every((ttl) => ttl > 0));
      assertEquals(resolution.lifetime, Math.min(...fresh));
      assert(Math.max(...fresh) <= 604_800);
    },
  ));
});

Deno.test("what is given out after its time has a TTL of 30 s where its own is over (RFC 8767 section 4)", () => {
  fc.assert(fc.property(anyReply, fc.nat(1_000_000), (reply, more) => {
    const resolution = kept(reply);
    if (resolution.lifetime === 0) return;
    const age = resolution.lifetime + more;
    const fresh = ttlsOf(given(resolution, reply));
    assertEquals(
      ttlsOf(given(resolution, reply, { age })),
      fresh.map((ttl) => ttl > age ? ttl - age : 30),
    );
  }));
});

Deno.test("however little the client takes, the response is well formed and its TTLs are right", () => {
  fc.assert(fc.property(
    anyReply,
    fc.integer({ min: 300, max: 900 }),
    fc.boolean(),
    (reply, limit, edns) => {
      const resolution = kept(reply);
      const age = Math.max(0, resolution.lifetime - 1);
      const cut = ttlsOf(given(resolution, reply, { age, limit, edns }));
      const whole = ttlsOf(given(resolution, reply, { age, edns }));
      assertEquals(cut, whole.slice(0, cut.length));
    },
  ));
});

Deno.test("extended errors take the room that is left, and never make an answer be cut (RFC 8914 section 3)", () => {
  const { packet } = clientQuery("example.org");
  const { questions } = decodeMessage(packet);
  const reply = answer({ ...decodeMessage(packet), questions });
  const ede = [{ code: 1, text: "x".repeat(300) }, { code: 2, text: "" }];
  const resolution = { ...kept(reply), ede };
  const whole = given(kept(reply), reply).answers;
  const sizes = new Set<number>();
  for (let limit = 57; limit < 350; limit++) {
    const { answers, additionals } = given(resolution, reply, { limit });
    assertEquals(answers, whole);
    sizes.add(additionals[0].rdata.length);
  }
  // Nothing; more and more of the first text; all of it, as far as it is given, and the second error.
  assertEquals(Math.min(...sizes), 0);
  assertEquals(Math.max(...sizes), 4 + 2 + 200 + 4 + 2);
});

Deno.test("a SOA record without its last field keeps nothing", () => {
  fc.assert(fc.property(
    anyReply,
    fc.constantFrom(0, 2, 3), // nothing, or two names that are the root
    (reply, length) => {
      const [{ name }] = reply.questions;
      const rdata = new Uint8Array(length);
      const authorities = [{ name, type: Type.SOA, class: 1, ttl: 60, rdata }];
      const message = { ...reply, rcode: Rcode.NXDOMAIN, authorities };
      assertEquals(kept(message).lifetime, 0);
    },
  ));
});

const soa: ResourceRecord = {
  name: parseName("example"),
  type: Type.SOA,
  class: 1,
  ttl: 60,
  rdata: Uint8Array.of(0, 0, ...new Uint8Array(20)),
};

/** A positive answer with an authority section that is large. */
function withAuthority(type: number): Message {
  const { packet } = clientQuery("www.example");
  const record = { ...soa, type, rdata: new Uint8Array(700) };
  return answer(decodeMessage(packet), undefined, { authorities: [record] });
}

Deno.test("where the authority section of a positive answer does not fit it is left out, and TC is clear (RFC 2181 section 9)", () => {
  const reply = withAuthority(65280);
  const { answers, authorities, flags } = given(kept(reply), reply, {
    limit: 512,
  });
  assertEquals([answers.length, authorities.length], [1, 0]);
  assertEquals(flags & Flag.TC, 0);
});

Deno.test("TC is set where a negative answer's authority section does not fit, behind an alias too (RFC 2308 section 3)", () => {
  const reply = withAuthority(65280), [record] = reply.answers;
  for (
    const answers of [[], [{
      ...record,
      type: Type.CNAME,
      rdata: parseName("a.example"),
    }]]
  ) {
    const negative = { ...reply, answers };
    const response = given(kept(negative), negative, { limit: 512 });
    assertEquals(response.authorities, []);
    assert(response.flags & Flag.TC);
  }
});

Deno.test("TC is set where the proof does not fit that a wildcard may make the answer (RFC 4035 section 3.1.3.3)", () => {
  const reply = withAuthority(Type.NSEC3);
  const response = given(kept(reply), reply, { limit: 512 });
  assertEquals(response.authorities, []);
  assert(response.flags & Flag.TC);
});

Deno.test("no reply of 64 KB takes longer than 20 ms, however its names are made", () => {
  const { packet, query } = clientQuery("x");
  const question = upstreamQuestion(packet, query);
  for (let i = 0; i < 60; i++) {
    const octets = expandingMessage(
      question.octets,
      MAX_MESSAGE,
      new Random(16, i),
    );
    const least = leastTime(() => {
      try {
        resolutionOf(decodeMessage(octets), question);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
    }, 20);
    assertLess(least, 20, `message ${i}`);
  }
});

Deno.test("a reply with thousands of Extended DNS Errors is read no further than those that are passed on", () => {
  const { packet, query } = clientQuery("www.example");
  const option = [0, 15, 0, 3, 0, 22, 0x61];
  const rdata = Uint8Array.from({ length: 7 * 9000 }, (_, i) => option[i % 7]);
  const reply = answer(decodeMessage(packet), undefined, {
    additionals: [{ ...optRecord(), rdata }],
  });
  const { ede } = resolutionOf(reply, upstreamQuestion(packet, query));
  assertEquals(ede, Array(3).fill({ code: 22, text: "a" }));
});
