import { Buffer } from "node:buffer";
import {
  assert,
  assertEquals,
  assertObjectMatch,
  assertThrows,
} from "@std/assert";
import packet from "dns-packet";
import fc from "fast-check";
import { Flag, MAX_MESSAGE, Type } from "../../../src/dns/wire/constants.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../../src/dns/wire/message.ts";
import { parseName, WireError } from "../../../src/dns/wire/name.ts";
import { hasDnspython, PYTHON } from "../../dnspython.ts";
import { expandingMessage } from "../../fuzz/expanding.ts";
import { Random } from "../../fuzz/random.ts";
import { anyMessage } from "../messages.ts";

Deno.test("every message survives being encoded and decoded", () => {
  fc.assert(fc.property(anyMessage, (message) => {
    assertEquals(decodeMessage(encodeMessage(message)), message);
  }));
});

Deno.test("dns-packet reads what is encoded, and what it writes is decoded alike", () => {
  fc.assert(fc.property(anyMessage, (message) => {
    const theirs = packet.decode(Buffer.from(encodeMessage(message)));
    const again = decodeMessage(Uint8Array.from(packet.encode(theirs)));
    // It keeps records and questions, and not all of the header.
    const { id, questions, answers, authorities, additionals } = message;
    assertObjectMatch(again, {
      id,
      questions,
      answers,
      authorities,
      additionals,
    });
  }));
});

if (!hasDnspython) {
  // deno-lint-ignore no-console -- says why a test does not run
  console.log(
    "skipped: a test of DNS messages needs Debian's python3-dnspython",
  );
}

Deno.test({
  name: "dnspython reads what is encoded, and what it writes is decoded alike",
  ignore: !hasDnspython,
  async fn() {
    const messages = fc.sample(anyMessage, 300).map((message) => ({
      ...message,
      rcode: 0,
    }));
    const script = `
import sys, dns.message
for line in sys.stdin:
    message = dns.message.from_wire(bytes.fromhex(line.strip()), one_rr_per_rrset=True)
    print(message.to_wire(max_size=65535, want_shuffle=False).hex())
`;
    const python = new Deno.Command(PYTHON, {
      args: ["-c", script],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = python.stdin.getWriter();
    const written = writer.write(
      new TextEncoder().encode(
        messages.map((message) => encodeMessage(message).toHex() + "\n").join(
          "",
        ),
      ),
    ).then(() => writer.close());
    const { code, stdout } = await python.output();
    await written;
    assertEquals(code, 0);
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    assertEquals(lines.length, messages.length);
    for (const [i, line] of lines.entries()) {
      assertEquals(decodeMessage(Uint8Array.fromHex(line)), messages[i]);
    }
  },
});

Deno.test("names are compressed where RFC 1035 types hold them, and nowhere else (RFC 3597 section 4)", () => {
  const name = parseName("www.example.org");
  const of = (type: number, rdata: Uint8Array): Message => ({
    id: 1,
    flags: Flag.QR,
    opcode: 0,
    rcode: 0,
    questions: [{ name, type, class: 1 }],
    answers: [{ name, type, class: 1, ttl: 0, rdata }],
    authorities: [],
    additionals: [],
  });
  const question = 12 + name.length + 4;
  assertEquals(
    encodeMessage(of(Type.CNAME, name)).length,
    question + 2 + 10 + 2,
  );
  const srv = Uint8Array.of(0, 0, 0, 0, 0, 80, ...name);
  assertEquals(
    encodeMessage(of(Type.SRV, srv)).length,
    question + 2 + 10 + srv.length,
  );
});

function manyAddresses(count: number): Message {
  const name = parseName("www.example.org");
  return {
    id: 1,
    flags: Flag.QR,
    opcode: 0,
    rcode: 0,
    questions: [{ name, type: Type.A, class: 1 }],
    answers: Array.from({ length: count }, (_, i) => ({
      name,
      type: Type.A,
      class: 1,
      ttl: 1,
      rdata: Uint8Array.of(10, 0, i >> 8, i & 0xff),
    })),
    authorities: [],
    additionals: [{
      name: new Uint8Array(1),
      type: Type.OPT,
      class: 1232,
      ttl: 0,
      rdata: new Uint8Array(0),
    }],
  };
}

Deno.test("an answer that does not fit is left out as a whole, with TC set and the OPT record kept (RFC 2181 section 9)", () => {
  const cut = decodeMessage(encodeMessage(manyAddresses(100), 512));
  assertEquals(cut.answers, []);
  assert(cut.flags & Flag.TC);
  assertEquals(cut.additionals.map(({ type }) => type), [Type.OPT]);
});

Deno.test("additional records that do not fit are left out without TC (RFC 2181 section 9)", () => {
  const message = manyAddresses(100);
  const whole = {
    ...manyAddresses(1),
    additionals: [...message.answers, ...message.additionals],
  };
  const cut = decodeMessage(encodeMessage(whole, 512));
  assertEquals(cut.answers.length, 1);
  assertEquals(cut.flags & Flag.TC, 0);
  assertEquals(cut.additionals.map(({ type }) => type), [Type.OPT]);
});

Deno.test("no message is larger than its limit, and all of it can be decoded", () => {
  fc.assert(
    fc.property(
      anyMessage,
      fc.integer({ min: 300, max: 1232 }),
      (message, limit) => {
        const octets = encodeMessage(message, limit);
        assert(octets.length <= limit);
        decodeMessage(octets);
      },
    ),
  );
});

Deno.test("octets after the last record are an error", () => {
  const octets = encodeMessage(manyAddresses(1));
  assertThrows(
    () => decodeMessage(Uint8Array.of(...octets, 0)),
    WireError,
    "after its last record",
  );
});

Deno.test("octets after the last record can be ignored", () => {
  const message = manyAddresses(1);
  assertEquals(
    decodeMessage(Uint8Array.of(...encodeMessage(message), 0, 1), "ignored"),
    message,
  );
});

Deno.test("an OPT record is among the additional ones, without a name, and there is one (RFC 6891 section 6.1.1)", () => {
  const message = manyAddresses(1), [opt] = message.additionals;
  const wrong: Partial<Message>[] = [
    { answers: [...message.answers, opt] },
    { authorities: [opt], additionals: [] },
    { additionals: [opt, opt] },
    { additionals: [{ ...opt, name: parseName("a.example") }] },
  ];
  for (const parts of wrong) {
    const octets = encodeMessage({ ...message, ...parts });
    assertThrows(() => decodeMessage(octets), WireError, "OPT");
  }
});

Deno.test("a TSIG record is the last one (RFC 8945 section 5.1)", () => {
  const message = manyAddresses(1), [opt] = message.additionals;
  const tsig = {
    ...opt,
    type: Type.TSIG,
    rdata: Uint8Array.of(0, ...new Uint8Array(16)),
  };
  for (const parts of [{ answers: [tsig] }, { additionals: [tsig, opt] }]) {
    const octets = encodeMessage({ ...message, ...parts });
    assertThrows(() => decodeMessage(octets), WireError, "TSIG");
  }
  decodeMessage(encodeMessage({ ...message, additionals: [opt, tsig] }));
});

Deno.test("a message whose names are much longer spelled out than in it is refused", () => {
  const octets = expandingMessage(
    Uint8Array.of(1, 0x61, 0, 0, 1, 0, 1),
    MAX_MESSAGE,
    new Random(0, 13),
  );
  assertThrows(() => decodeMessage(octets), WireError, "spelled out");
});

Deno.test("no octets make decoding fail with anything but WireError", () => {
  const mutated = fc.tuple(
    anyMessage.map((message) => encodeMessage(message)),
    fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), {
      minLength: 1,
      maxLength: 8,
    }),
  ).map(([octets, changes]) => {
    for (const [at, value] of changes) octets[at % octets.length] = value;
    return octets;
  });
  fc.assert(
    fc.property(
      fc.oneof(mutated, fc.uint8Array({ maxLength: 600 })),
      (octets) => {
        try {
          decodeMessage(octets);
        } catch (error) {
          assert(error instanceof WireError, String(error));
        }
      },
    ),
    { numRuns: 3000 },
  );
});
