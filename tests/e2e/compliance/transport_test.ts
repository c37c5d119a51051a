/**
 * UDP and TCP, sizes, and DNS cookies, rule by rule.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { parseDig } from "../harness.ts";
import { opt, query, question } from "./messages.ts";
import { BROKEN, READY, SLOW, testRules } from "./setup.ts";

const COOKIE = /^; COOKIE: ([0-9a-f]{16})([0-9a-f]{32}) \(good\)$/m;
const CLIENT_COOKIE = "0102030405060708";

testRules("responses over UDP have a size, and TCP has all that does not fit", [
  READY,
], {
  "RFC 9715 section 3: a response over UDP has 1232 octets at the most, whatever the client takes":
    async (subject) => {
      const packet = query("big.elsewhere.example", {
        additionals: [{ ...opt(), class: 65535 }],
      });
      const [seen] = await subject.send("udp", [packet]);
      assert(seen.octets <= 1232, `${seen.octets}`);
      assert(seen.flags.includes("tc"));
      assertEquals(seen.payload, 1232);
    },
  "RFC 1035 section 4.2.1: without EDNS it has 512": async (subject) => {
    const [seen] = await subject.send("udp", [query("big.elsewhere.example")]);
    assert(seen.octets <= 512, `${seen.octets}`);
    assert(seen.flags.includes("tc"));
  },
  "RFC 2181 section 9: TC is set where records of the answer are left out":
    async (subject) => {
      const { flags } = parseDig(
        await subject.dig("+notcp", "big.elsewhere.example"),
      );
      assert(flags.includes("tc"));
    },
  "RFC 7766 section 5: a client that is told TC gets everything over TCP":
    async (subject) => {
      const text = await subject.dig("+noignore", "big.elsewhere.example");
      assertMatch(text, /Truncated, retrying in TCP mode/);
      assertMatch(text, /ANSWER: 90,/);
      assertMatch(await subject.kdig("huge.elsewhere.example"), /ANSWER: 200;/);
    },
  "RFC 6891 section 4.3: what fits in the client's payload size is not cut":
    async (subject) => {
      const text = await subject.dig("+bufsize=1232", "www.elsewhere.example");
      assertEquals(parseDig(text).answers.length, 1);
    },
});

testRules("TCP connections are used as their RFCs say", [READY, SLOW, BROKEN], {
  "RFC 7766 section 6.2.1.1: queries that come at once are all answered, on one connection":
    async (subject) => {
      const names = ["www.ours.example", "www.elsewhere.example", "localhost"];
      const packets = Array.from(
        { length: 60 },
        (_, id) => query(names[id % 3], { id }),
      );
      const seen = await subject.send("tcp", packets);
      assertEquals(
        seen.map(({ id }) => id).sort((a, b) => a - b),
        packets.map((_, id) => id),
      );
      assert(
        seen.every(({ rcode, answer }) =>
          rcode === "NOERROR" && answer.length === 1
        ),
      );
    },
  "RFC 7766 section 7: a response that is ready does not wait for one that is not":
    async (subject) => {
      const packets = [
        query("slow.ours.example", { id: 1 }),
        query("www.ours.example", { id: 2 }),
      ];
      const seen = await subject.send("tcp", packets);
      assertEquals(seen.map(({ id, rcode }) => [id, rcode]), [[2, "NOERROR"], [
        1,
        "NOERROR",
      ]]);
    },
  "RFC 7766 section 6.2.1: kdig keeps a connection open for several queries":
    async (subject) => {
      const text = await subject.kdig(
        "+tcp",
        "+keepopen",
        "www.ours.example",
        "ours.example",
        "localhost",
      );
      assertEquals(text.match(/status: NOERROR/g)?.length, 3, text);
    },
  "RFC 7766 section 8: a message in pieces is a message": async (subject) => {
    const { address, port } = subject.jitsu;
    using conn = await Deno.connect({ hostname: address, port });
    const packet = query("www.ours.example");
    for (const octet of Uint8Array.of(0, packet.length, ...packet)) {
      await conn.write(Uint8Array.of(octet));
    }
    const buffer = new Uint8Array(512);
    const count = await conn.read(buffer);
    assertEquals(buffer.slice(2, 4), packet.slice(0, 2));
    assert(count! > packet.length);
  },
  "RFC 7766 section 6.2.4: a client that hangs up at once costs nothing":
    async (subject) => {
      const { address, port } = subject.jitsu;
      for (let i = 0; i < 20; i++) {
        const conn = await Deno.connect({ hostname: address, port });
        await conn.write(Uint8Array.of(0, 50, 1));
        conn.close();
      }
      assertEquals(
        (await subject.jitsu.dig("www.ours.example")).status,
        "NOERROR",
      );
    },
  "RFC 9210 section 4.3: over TCP, too, every query is answered": async (
    subject,
  ) => {
    const packets = [
      query("www.ours.example", { id: 1, opcode: 2 }),
      query(".", {
        id: 2,
        questions: [question("www.ours.example"), question("ours.example")],
      }),
      query("broken.ours.example", { id: 3 }),
    ];
    const seen = await subject.send("tcp", packets);
    const rcodes = Object.fromEntries(seen.map(({ id, rcode }) => [id, rcode]));
    assertEquals(rcodes, { 1: "NOTIMP", 2: "FORMERR", 3: "SERVFAIL" });
  },
});

testRules("DNS cookies are what RFC 7873 and RFC 9018 say", [READY], {
  "RFC 7873 section 5.2.1: who sends none gets none": async (subject) => {
    assertNotMatch(
      await subject.dig("+nocookie", "www.ours.example"),
      /COOKIE/,
    );
    assertNotMatch(await subject.dig("+noedns", "www.ours.example"), /COOKIE/);
  },
  "RFC 7873 section 5.2.2: an option of a wrong length is FORMERR": async (
    subject,
  ) => {
    for (const length of [0, 7, 9, 15, 41]) {
      const option = opt(0, 10, 0, length, ...new Uint8Array(length));
      const [seen] = await subject.send("udp", [
        query("www.ours.example", { additionals: [option] }),
      ]);
      assertEquals(seen.rcode, "FORMERR", `${length} octets`);
    }
  },
  "RFC 7873 section 5.2.3: a client cookie alone gets a server cookie": async (
    subject,
  ) => {
    const text = await subject.dig(
      `+cookie=${CLIENT_COOKIE}`,
      "www.ours.example",
    );
    assertEquals(COOKIE.exec(text)?.[1], CLIENT_COOKIE, text);
    assertEquals(parseDig(text).answers.length, 1);
  },
  "RFC 7873 section 5.2.4: a server cookie of somebody else's is replaced":
    async (subject) => {
      const wrong = "ff".repeat(16);
      const text = await subject.dig(
        `+cookie=${CLIENT_COOKIE}${wrong}`,
        "www.ours.example",
      );
      const [, client, server] = COOKIE.exec(text) ?? [];
      assertEquals(client, CLIENT_COOKIE, text);
      assert(server !== wrong);
      assertEquals(parseDig(text).status, "NOERROR");
    },
  "RFC 7873 section 5.2.5: a server cookie of ours is taken, and given back":
    async (subject) => {
      const first = COOKIE.exec(
        await subject.dig(`+cookie=${CLIENT_COOKIE}`, "www.ours.example"),
      )!;
      const again = COOKIE.exec(
        await subject.dig(`+cookie=${first[1]}${first[2]}`, "www.ours.example"),
      );
      assertEquals(again?.slice(1), first.slice(1));
    },
  "RFC 9018 section 4: the server cookie is of version 1, with the time":
    async (subject) => {
      const [, , server] = COOKIE.exec(
        await subject.dig(`+cookie=${CLIENT_COOKIE}`, "www.ours.example"),
      )!;
      assertEquals(server.slice(0, 8), "01000000");
      const age = Date.now() / 1000 - parseInt(server.slice(8, 16), 16);
      assert(Math.abs(age) < 60, `${age} s`);
    },
  "RFC 7873 section 5.2: cookies work for forwarded names, over TCP and for kdig":
    async (subject) => {
      assertMatch(
        await subject.dig("+cookie", "www.elsewhere.example"),
        COOKIE,
      );
      assertMatch(
        await subject.dig("+cookie", "+tcp", "www.ours.example"),
        COOKIE,
      );
      assertMatch(
        await subject.kdig("+cookie", "www.ours.example"),
        /COOKIE: [0-9A-F]{48}/i,
      );
    },
});
