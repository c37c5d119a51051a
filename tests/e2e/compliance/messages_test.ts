/**
 * What names and messages are answered with, rule by rule.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { Type } from "../../../src/dns/wire/constants.ts";
import { parseDig } from "../harness.ts";
import { opt, query, question } from "./messages.ts";
import { BROKEN, COLD, READY, type Subject, testRules } from "./setup.ts";

/** Asks with dig; status, flags, data of the answers, types in the authority section. */
async function ask(subject: Subject, ...args: string[]) {
  const text = await subject.dig(...args);
  const { status, flags, answers, authority, ede } = parseDig(text);
  return {
    status,
    flags,
    data: answers.map(({ data }) => data),
    answers,
    authority,
    ede,
    text,
  };
}

/** Asserts that there is no such name, or no data, and that a SOA record says for how long. */
async function assertNegative(
  subject: Subject,
  status: string,
  apex: string,
  ...args: string[]
) {
  const { authority, text, ...response } = await ask(subject, ...args);
  assertEquals([response.status, response.data], [status, []], text);
  assertEquals(
    authority.map(({ name, type }) => [name, type]),
    [[apex, "SOA"]],
    text,
  );
}

/** Asserts that a packet is answered with FORMERR. */
async function assertFormerr(subject: Subject, packet: Uint8Array) {
  const [seen] = await subject.send("udp", [packet]);
  assertEquals([seen?.rcode, seen?.answer], ["FORMERR", []]);
}

testRules("names of ours and messages are answered as their RFCs say", [
  READY,
  COLD,
  BROKEN,
], {
  "RFC 1034 section 4.3.1: RA tells that we forward, RD is given back": async (
    subject,
  ) => {
    assertEquals((await ask(subject, "www.ours.example")).flags, [
      "qr",
      "aa",
      "rd",
      "ra",
    ]);
    assertEquals((await ask(subject, "+norec", "www.ours.example")).flags, [
      "qr",
      "aa",
      "ra",
    ]);
  },
  "RFC 1035 section 3.4.1 and RFC 3596: A and AAAA have the addresses": async (
    subject,
  ) => {
    assertEquals((await ask(subject, "www.ours.example", "A")).data, [
      "192.0.2.1",
    ]);
    assertEquals((await ask(subject, "www.ours.example", "AAAA")).data, [
      "2001:db8::1",
    ]);
  },
  "RFC 1035 section 3.5: the reverse names of our addresses have PTR": async (
    subject,
  ) => {
    for (const address of ["192.0.2.1", "2001:db8::1"]) {
      const { status, data, flags } = await ask(subject, "-x", address);
      assertEquals([status, data], ["NOERROR", ["ours.example."]]);
      assert(flags.includes("aa"));
    }
  },
  "RFC 1035 section 3.5: asking for PTR starts nobody": async (subject) => {
    assertEquals((await ask(subject, "-x", "192.0.2.3")).data, [
      "cold.ours.example.",
    ]);
    assertEquals(
      subject.jitsu.log.filter((line) => /cold: (starting|started)/.test(line)),
      [],
    );
  },
  "RFC 1035 section 4.1.4: a pointer in a question, that can lead nowhere, is FORMERR":
    async (subject) => {
      const packet = query("www.ours.example");
      packet.set([0xc0, 12], 12);
      await assertFormerr(subject, packet);
    },
  "RFC 1035 section 4.1.1: octets behind the message are FORMERR": (subject) =>
    assertFormerr(subject, Uint8Array.of(...query("www.ours.example"), 0)),
  "RFC 1035 section 4.1.1: counts of more than there is are FORMERR": async (
    subject,
  ) => {
    const packet = query("www.ours.example");
    packet[11] = 1;
    await assertFormerr(subject, packet);
  },
  "RFC 1035 section 2.3.4: a label of 64 octets is FORMERR": async (
    subject,
  ) => {
    const packet = query(`${"a".repeat(63)}.example`);
    packet[12] = 64;
    await assertFormerr(subject, packet);
  },
  "RFC 1035 section 7.3: a response gets no response": async (subject) => {
    const packets = [
      query("www.ours.example", { flags: 0x8100 }),
      query("www.ours.example", { id: 1 }),
    ];
    const seen = await subject.send("udp", packets, 1);
    assertEquals(seen.map(({ id }) => id), [1]);
  },
  "RFC 1996 and RFC 2136: NOTIFY and UPDATE are NOTIMP, without RD, RA and CD":
    async (subject) => {
      for (const opcode of ["NOTIFY", "UPDATE"]) {
        const text = await subject.dig(
          ...[`+opcode=${opcode}`, "+cdflag", "ours.example", "SOA"],
        );
        assertMatch(text, /status: NOTIMP/);
        assertMatch(text, /;; flags: qr;/);
      }
    },
  "RFC 8945 section 5.2.1: a key that is not known is NOTAUTH and BADKEY, whoever's the name is":
    async (subject) => {
      for (const name of ["www.ours.example", "www.elsewhere.example"]) {
        const text = await subject.dig(
          ...["-y", "hmac-sha256:key.example:c2VjcmV0", name],
        );
        assertMatch(text, /status: NOTAUTH/);
        assertMatch(text, /ANSWER: 0/);
        assertMatch(text, /^key\.example\.\s+0\s+ANY\s+TSIG\s.* BADKEY/m);
      }
    },
  "RFC 1035 section 4.1.4: a record whose name or data has a pointer that leads nowhere is FORMERR":
    async (subject) => {
      const plain = query("www.ours.example");
      for (
        const record of [
          [0xc0, plain.length, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0],
          [0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0xc0, plain.length + 11],
        ]
      ) {
        const packet = Uint8Array.of(...plain, ...record);
        packet[11] = 1;
        await assertFormerr(subject, packet);
      }
    },
  "RFC 1035 section 3.2.4: a class other than IN is REFUSED": async (
    subject,
  ) => {
    assertEquals(
      (await ask(subject, "-c", "CH", "version.bind", "TXT")).status,
      "REFUSED",
    );
  },
  "RFC 5936 section 2.2.1: nobody gets a zone": async (subject) => {
    assertMatch(
      await subject.dig("+tcp", "ours.example", "AXFR"),
      /Transfer failed|REFUSED/,
    );
    for (const type of [Type.AXFR, Type.IXFR]) {
      const questions = [question("ours.example", type)];
      const [seen] = await subject.send("tcp", [query(".", { questions })]);
      assertEquals([seen.rcode, seen.answer], ["REFUSED", []]);
    }
  },
  "RFC 2181 section 10.1 and 5.2: one TTL for the records of a name": async (
    subject,
  ) => {
    const { answers } = await ask(subject, "www.ours.example");
    assertEquals(answers.map(({ ttl }) => ttl), [60]);
  },
  "RFC 2308 section 2.2: no data is NOERROR with the SOA record": (subject) =>
    assertNegative(
      subject,
      "NOERROR",
      "ours.example.",
      "www.ours.example",
      "MX",
    ),
  "RFC 2308 section 3: the SOA record's TTL is how long that holds": async (
    subject,
  ) => {
    const { authority } = await ask(subject, "www.ours.example", "MX");
    assertEquals(authority[0].ttl, Number(authority[0].data.split(" ").at(-1)));
  },
  "RFC 2308 section 2.1: no such name is NXDOMAIN with the SOA record": (
    subject,
  ) =>
    assertNegative(
      subject,
      "NXDOMAIN",
      "elsewhere.example.",
      "nothere.elsewhere.example",
    ),
  "RFC 4343 section 4: names are the same in any case, and the question's is given back":
    async (subject) => {
      const { answers, text } = await ask(subject, "wWw.OURS.example");
      assertEquals(answers.map(({ name, data }) => [name, data]), [[
        "wWw.OURS.example.",
        "192.0.2.1",
      ]], text);
    },
  "RFC 4035 section 3.2.2: CD is given back, and AD is not ours to set": async (
    subject,
  ) => {
    assertEquals(
      (await ask(subject, "+cd", "+adflag", "www.ours.example")).flags,
      ["qr", "aa", "rd", "ra", "cd"],
    );
  },
  "RFC 6303 section 3: reverse zones of private addresses are answered here":
    async (subject) => {
      await assertNegative(
        subject,
        "NXDOMAIN",
        "10.in-addr.arpa.",
        "-x",
        "10.1.2.3",
      );
      await assertNegative(
        subject,
        "NXDOMAIN",
        "168.192.in-addr.arpa.",
        "-x",
        "192.168.7.7",
      );
      await assertNegative(
        subject,
        "NXDOMAIN",
        "d.f.ip6.arpa.",
        "-x",
        "fd00::1",
      );
      await assertNegative(
        subject,
        "NOERROR",
        "10.in-addr.arpa.",
        "10.in-addr.arpa",
        "A",
      );
      assertEquals(
        (await ask(subject, "10.in-addr.arpa", "SOA")).answers.length,
        1,
      );
    },
  "RFC 6761 section 6.3: localhost is this host, and so are the names below it":
    async (subject) => {
      assertEquals((await ask(subject, "localhost", "A")).data, ["127.0.0.1"]);
      assertEquals((await ask(subject, "a.b.localhost", "AAAA")).data, ["::1"]);
      await assertNegative(subject, "NOERROR", "localhost.", "localhost", "MX");
      assertEquals((await ask(subject, "-x", "127.0.0.1")).data, [
        "localhost.",
      ]);
    },
  "RFC 6761 section 6.4 and 6.2: invalid and test have no names": async (
    subject,
  ) => {
    await assertNegative(subject, "NXDOMAIN", "invalid.", "www.invalid", "A");
    await assertNegative(subject, "NXDOMAIN", "test.", "www.test", "A");
  },
  "RFC 7686 section 2: onion names are not asked of anybody": (subject) =>
    assertNegative(subject, "NXDOMAIN", "onion.", "www.onion", "A"),
  "RFC 6762 section 22.1: nor are those of local": (subject) =>
    assertNegative(subject, "NXDOMAIN", "local.", "printer.local", "A"),
  "RFC 6891 section 6.1.1: two OPT records are FORMERR, one out of place is too":
    async (subject) => {
      await assertFormerr(
        subject,
        query("www.ours.example", { additionals: [opt(), opt()] }),
      );
      await assertFormerr(
        subject,
        query("www.ours.example", { answers: [opt()] }),
      );
      const named = { ...opt(), name: question("a.example").name };
      await assertFormerr(
        subject,
        query("www.ours.example", { additionals: [named] }),
      );
    },
  "RFC 6891 section 6.1.1: the OPT record may stand anywhere among the additional ones":
    async (subject) => {
      const other = { ...opt(1, 2, 3, 4), type: 65280, ttl: 9 };
      const packets = [[other, opt()], [opt(), other]].map((additionals, id) =>
        query("www.ours.example", { id, additionals })
      );
      const seen = await subject.send("udp", packets);
      assertEquals(seen.map(({ rcode, edns }) => [rcode, edns]), [[
        "NOERROR",
        0,
      ], ["NOERROR", 0]]);
    },
  "RFC 6891 section 6.1.2: the order of options does not matter, unknown ones are not given back":
    async (subject) => {
      const unknown = [0xfd, 0xe9, 0, 2, 1, 2],
        cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
      const packets = [[...unknown, ...cookie], [...cookie, ...unknown]].map((
        options,
        id,
      ) => query("www.ours.example", { id, additionals: [opt(...options)] }));
      for (const { rcode, options } of await subject.send("udp", packets)) {
        assertEquals([rcode, options], ["NOERROR", [10]]);
      }
    },
  "RFC 6891 section 6.1.2: an option that runs past the record is FORMERR": (
    subject,
  ) =>
    assertFormerr(
      subject,
      query("www.ours.example", { additionals: [opt(0, 3, 0, 9, 1)] }),
    ),
  "RFC 8020 section 2: where a name exists, the names above it do": async (
    subject,
  ) => {
    assertEquals(
      (await ask(subject, "ent.elsewhere.example")).status,
      "NOERROR",
    );
  },
  "RFC 8482 section 4.2: ANY gets one HINFO record, and starts nobody": async (
    subject,
  ) => {
    const { answers } = await ask(
      subject,
      "+notcp",
      "cold.ours.example",
      "ANY",
    );
    assertEquals(answers.map(({ type, data }) => [type, data]), [[
      "HINFO",
      '"RFC8482" ""',
    ]]);
    assertEquals(
      subject.jitsu.log.filter((line) => /cold: (starting|started)/.test(line)),
      [],
    );
  },
  "RFC 9460 section 3: HTTPS has no data, and starts the machine, since its visitor is on the way":
    async (subject) => {
      const from = subject.jitsu.log.length;
      await assertNegative(
        subject,
        "NOERROR",
        "ours.example.",
        "cold.ours.example",
        "HTTPS",
      );
      await subject.jitsu.logged(/cold: started/, from);
    },
  "RFC 8914 section 4.1: a failure is told in words": async (subject) => {
    const { status, ede, text } = await ask(subject, "broken.ours.example");
    assertEquals([status, ede.length], ["SERVFAIL", 1], text);
    assertMatch(ede[0].text, /broken/);
    assertNotMatch(await subject.dig("+noedns", "broken.ours.example"), /EDE/);
  },
  "RFC 7873 section 5.4: no question, but a cookie, gets a cookie": async (
    subject,
  ) => {
    const text = await subject.dig("+header-only", "+cookie");
    assertMatch(text, /opcode: QUERY, status: NOERROR/);
    assertMatch(text, /QUERY: 0, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 1/);
    assertMatch(text, /^; COOKIE: [0-9a-f]{48} \(good\)$/m);
  },
  "RFC 9619 section 4: two questions are FORMERR, and none is too": async (
    subject,
  ) => {
    const questions = [question("www.ours.example"), question("ours.example")];
    await assertFormerr(subject, query(".", { questions }));
    await assertFormerr(subject, query(".", { questions: [] }));
  },
  "RFC 6895 section 2: the reserved bit is ignored and zero": async (
    subject,
  ) => {
    const [seen] = await subject.send("udp", [
      query("www.ours.example", { flags: 0x0140 }),
    ]);
    assertEquals([seen.rcode, seen.reserved, seen.flags], ["NOERROR", false, [
      "qr",
      "aa",
      "rd",
      "ra",
    ]]);
  },
});

testRules("names below special ones can be ours", [
  "dns=www.deep.test,ip=192.0.2.1,name=deep,command=sleep inf",
  "dns=nas.home.arpa,ip=192.0.2.2,name=nas,command=sleep inf",
], {
  "RFC 6761 section 6.2: a configured name wins": async (subject) => {
    assertEquals((await ask(subject, "www.deep.test")).data, ["192.0.2.1"]);
    assertEquals((await ask(subject, "nas.home.arpa")).data, ["192.0.2.2"]);
  },
  "RFC 8020 section 2: the names above a configured one exist": async (
    subject,
  ) => {
    for (const name of ["deep.test", "test", "home.arpa"]) {
      const { status, data, authority, text } = await ask(subject, name);
      assertEquals([status, data, authority.map(({ type }) => type)], [
        "NOERROR",
        [],
        ["SOA"],
      ], text);
    }
    assertEquals((await ask(subject, "other.test")).status, "NXDOMAIN");
  },
});
