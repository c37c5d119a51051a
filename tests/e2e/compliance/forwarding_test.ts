/**
 * What upstream's answers look like to our clients, rule by rule.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { until } from "../../until.ts";
import { parseDig } from "../harness.ts";
import { opt, query, question } from "./messages.ts";
import { READY, testRules } from "./setup.ts";

testRules("names that are not ours are forwarded as their RFCs say", [
  READY,
  "dns=www.ours.elsewhere.example,ip=192.0.2.5,name=below,command=sleep inf",
  "--forward=dead.example=127.0.0.1#9", // discard: nobody serves it
], {
  "RFC 1034 section 4.3.1: AA is not set for a name that is not ours, RA is":
    async (subject) => {
      const { flags, answers } = parseDig(
        await subject.dig("www.elsewhere.example"),
      );
      assertEquals(flags, ["qr", "rd", "ra"]);
      assertEquals(answers.map(({ data }) => data), ["192.0.2.80"]);
    },
  "RFC 1034 section 4.3.1: who does not desire recursion does not get it":
    async (subject) => {
      const { status, flags, ede } = parseDig(
        await subject.dig("+norec", "www.elsewhere.example"),
      );
      assertEquals([status, flags, ede.length], ["REFUSED", ["qr", "ra"], 1]);
    },
  "RFC 1034 section 3.6.2: an alias comes with what it stands for": async (
    subject,
  ) => {
    const { answers } = parseDig(await subject.dig("alias.elsewhere.example"));
    assertEquals(answers.map(({ type }) => type), ["CNAME", "A"]);
  },
  "RFC 3597 section 3: a type that nobody knows passes as it is": async (
    subject,
  ) => {
    assertMatch(
      await subject.dig("opaque.elsewhere.example", "TYPE65280"),
      /TYPE65280\s+\\# 4 DEADBEEF/,
    );
    assertMatch(
      await subject.kdig("opaque.elsewhere.example", "TYPE65280"),
      /TYPE65280\s+\\# 4 DEADBEEF/,
    );
  },
  "RFC 3597 section 4: names in records of known types are right, uncompressed or not":
    async (subject) => {
      const { answers } = parseDig(
        await subject.dig("elsewhere.example", "MX"),
      );
      assertEquals(answers.map(({ data }) => data.toLowerCase()), [
        "10 mail.elsewhere.example.",
      ]);
    },
  "RFC 2308 section 2: NXDOMAIN and no data pass with their SOA record": async (
    subject,
  ) => {
    for (
      const [name, type, status] of [
        ["no.elsewhere.example", "A", "NXDOMAIN"],
        ["www.elsewhere.example", "MX", "NOERROR"],
      ]
    ) {
      const { authority, ...response } = parseDig(
        await subject.dig(name, type),
      );
      assertEquals([
        response.status,
        response.answers,
        authority.map(({ type }) => type),
      ], [status, [], ["SOA"]]);
    }
  },
  "RFC 4343 section 4 and 5452: the question comes back in the client's case":
    async (subject) => {
      const text = await subject.dig("wWw.ElSeWhErE.eXaMpLe");
      assertMatch(text, /^;wWw\.ElSeWhErE\.eXaMpLe\./m);
      assertEquals(parseDig(text).answers.length, 1);
    },
  "RFC 4035 section 3.2.2: CD is given back, AD is not passed on": async (
    subject,
  ) => {
    const { flags } = parseDig(
      await subject.dig("+cd", "+adflag", "www.elsewhere.example"),
    );
    assertEquals(flags, ["qr", "rd", "ra", "cd"]);
  },
  "RFC 6891 section 6.2.1: the OPT record is our own, and only for who sent one":
    async (subject) => {
      assertNotMatch(
        await subject.dig("+noedns", "www.elsewhere.example"),
        /OPT PSEUDOSECTION/,
      );
      assertMatch(
        await subject.dig("+nocookie", "www.elsewhere.example"),
        /^; EDNS: version: 0, flags:; udp: 1232$/m,
      );
      const packet = query("www.elsewhere.example", {
        additionals: [opt(0xfd, 0xe9, 0, 2, 1, 2)],
      });
      const [seen] = await subject.send("udp", [packet]);
      assertEquals([seen.rcode, seen.edns, seen.options], ["NOERROR", 0, []]);
    },
  "RFC 3225 section 3: DO is given back": async (subject) => {
    assertMatch(
      await subject.dig("+dnssec", "+nocookie", "www.elsewhere.example"),
      /flags: do;/,
    );
  },
  "RFC 6895 section 3.1: types that ask for no data are REFUSED": async (
    subject,
  ) => {
    for (const type of [249, 250, 251, 252]) {
      const [seen] = await subject.send("tcp", [
        query(".", { questions: [question("www.elsewhere.example", type)] }),
      ]);
      assertEquals(seen.rcode, "REFUSED", `type ${type}`);
    }
  },
  "RFC 8020 section 2: a name above ours exists, although upstream has none":
    async (
      subject,
    ) => {
      const { status, answers } = parseDig(
        await subject.dig("ours.elsewhere.example"),
      );
      assertEquals([status, answers], ["NOERROR", []]);
    },
  "RFC 2308 section 5: what was said is kept, and its TTLs run down": async (
    subject,
  ) => {
    const ttl = async () =>
      parseDig(await subject.dig("ns.elsewhere.example")).answers[0].ttl;
    const first = await ttl();
    assert(first <= 300, `${first} s`);
    await until("a TTL that is less", async () => await ttl() < first);
  },
  "RFC 9520 section 3.2: that nobody could be reached is kept for a while":
    async (
      subject,
    ) => {
      const first = parseDig(await subject.dig("www.dead.example"));
      assertEquals(first.status, "SERVFAIL");
      assertEquals(first.ede[0].code, 22, "no reachable authority");
      const second = parseDig(await subject.dig("www.dead.example"));
      assertEquals(second.status, "SERVFAIL");
      assertEquals(
        second.ede.map(({ code }) => code),
        [22, 13],
        "cached error",
      );
    },
  "RFC 7871 section 7.1.2 and RFC 5001 section 2.4: options are for the next hop alone":
    async (
      subject,
    ) => {
      const text = await subject.dig(
        "+subnet=192.0.2.0/24",
        "+nsid",
        "www.elsewhere.example",
      );
      assertNotMatch(text, /CLIENT-SUBNET|NSID/);
    },
  "RFC 8914 section 3: what upstream refuses is an error for the client, quickly":
    async (subject) => {
      const { status, flags } = parseDig(
        await subject.dig("www.refused.example"),
      );
      assert(status === "REFUSED" || status === "SERVFAIL", status);
      assert(!flags.includes("aa"));
    },
});
