/**
 * The cases of ISC's EDNS compliance suite and the commands of RFC 8906 section 8, asked with dig of a zone of ours.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { parseDig } from "../harness.ts";
import { READY, type Subject, testRules } from "./setup.ts";

const ZONE = "ours.example";
/** A response to a query without EDNS, or with it: an OPT record of version 0, and flags that we know. */
const NO_EDNS = /^(?![^]*OPT PSEUDOSECTION)/;
const EDNS = /^; EDNS: version: 0, flags:; udp: 1232$/m;
const EDNS_DO = /^; EDNS: version: 0, flags: do; udp: 1232$/m;

/** A rule: what dig is told beside `soa ZONE`, and what it must print; NOERROR with the SOA record unless told. */
function soa(args: string, expected: RegExp[], status = "NOERROR") {
  return async (subject: Subject) => {
    const text = await subject.dig(...args.split(" "), "soa", ZONE);
    const response = parseDig(text);
    assertEquals(response.status, status, text);
    assert(response.flags.includes("qr"), text);
    if (status === "NOERROR") {
      assert(response.flags.includes("aa"), text);
      assertEquals(response.answers.map(({ name, type }) => [name, type]), [[
        `${ZONE}.`,
        "SOA",
      ]], text);
    } else {
      assertEquals(response.answers, [], text);
    }
    for (const each of expected) assertMatch(text, each);
    assertNotMatch(text, /Warning|MBZ|malformed|mismatch/i);
  };
}

const PLAIN = "+noedns +noad +norec";
const WITH = "+edns=0 +nocookie +noad +norec";

testRules(
  "RFC 8906 section 8: a zone of ours is served as the tests for compliance want it",
  [READY, "--nsid=here"],
  {
    "section 8.1.1: the zone is served": soa(PLAIN, [NO_EDNS]),
    "section 8.1.2: an unknown type has no data": async (subject) => {
      const text = await subject.dig(...PLAIN.split(" "), "type1000", ZONE);
      const { status, flags, answers, authority } = parseDig(text);
      assertEquals([status, flags], ["NOERROR", ["qr", "aa", "ra"]], text);
      assertEquals([answers.length, authority.map(({ type }) => type)], [0, [
        "SOA",
      ]], text);
    },
    "section 8.1.3.1: CD=1 is taken": soa("+noedns +noad +norec +cd", [
      NO_EDNS,
      /flags: qr aa ra cd;/,
    ]),
    "section 8.1.3.2: AD=1 is taken, and not given back": soa(
      "+noedns +norec +ad",
      [NO_EDNS, /flags: qr aa ra;/],
    ),
    "section 8.1.3.3: the reserved bit is ignored, and not given back": soa(
      "+noedns +noad +norec +zflag",
      [NO_EDNS, /flags: qr aa ra;/],
    ),
    "section 8.1.3.4: RD=1 is taken and given back": soa("+noedns +noad +rec", [
      NO_EDNS,
      /flags: qr aa rd ra;/,
    ]),
    "section 8.1.4: an unknown opcode is NOTIMP": async (subject) => {
      const text = await subject.dig(
        "+noedns",
        "+noad",
        "+opcode=15",
        "+norec",
        "+header-only",
      );
      assertMatch(text, /opcode: RESERVED15, status: NOTIMP/);
      assertMatch(text, /flags: qr/);
      assertNotMatch(text, /flags:[^;]* aa/);
    },
    "section 8.1.5: TCP is served": soa("+noedns +noad +norec +tcp", [NO_EDNS]),
    "section 8.2.1: EDNS is served": soa(WITH, [EDNS]),
    "section 8.2.2: EDNS version 1 is BADVERS, and told of version 0": soa(
      "+edns=1 +noednsneg +nocookie +noad +norec",
      [EDNS],
      "BADVERS",
    ),
    "section 8.2.3: an unknown option is ignored": soa(`${WITH} +ednsopt=100`, [
      EDNS,
    ]),
    "section 8.2.4: an unknown flag is ignored": soa(
      `${WITH} +ednsflags=0x40`,
      [EDNS],
    ),
    "section 8.2.5: version 1 with an unknown flag is BADVERS": soa(
      "+edns=1 +noednsneg +nocookie +noad +norec +ednsflags=0x40",
      [EDNS],
      "BADVERS",
    ),
    "section 8.2.6: version 1 with an unknown option is BADVERS": soa(
      "+edns=1 +noednsneg +nocookie +noad +norec +ednsopt=100",
      [EDNS],
      "BADVERS",
    ),
    "section 8.2.7: a response that was cut has an OPT record": async (
      subject,
    ) => {
      const text = await subject.dig(
        "+norec",
        "+dnssec",
        "+bufsize=512",
        "+nocookie",
        "dnskey",
        ZONE,
      );
      assertEquals(parseDig(text).status, "NOERROR", text);
      assertMatch(text, EDNS_DO);
    },
    "section 8.2.8: DO=1 is given back": soa(`${WITH} +dnssec`, [EDNS_DO]),
    "section 8.2.9: version 1 with DO=1 is BADVERS": soa(
      "+edns=1 +noednsneg +nocookie +noad +norec +dnssec",
      [/^; EDNS: version: 0/m],
      "BADVERS",
    ),
    "section 8.2.10: several options that we know and do not": soa(
      "+edns=0 +noad +norec +cookie +nsid +expire +subnet=0.0.0.0/0",
      [
        /^; EDNS: version: 0, flags:; udp: 1232$/m,
        /^; COOKIE: [0-9a-f]{48} \(good\)$/m,
        /^; NSID: .*\("here"\)$/m,
      ],
    ),
    "RFC 7871 section 7.1.2: a client subnet is not given back by one who does not use it":
      async (subject) => {
        const text = await subject.dig("+subnet=192.0.2.0/24", "soa", ZONE);
        assertNotMatch(text, /CLIENT-SUBNET/);
      },
    "RFC 7828 section 3.1: a keepalive option over UDP is ignored": soa(
      `${WITH} +keepalive`,
      [EDNS],
    ),
    "RFC 7830 section 3: padding is taken": soa(`${WITH} +padding=128`, [EDNS]),
    "RFC 5001 section 2.3: the NSID is told to who asks for it": soa(
      "+edns=0 +nocookie +norec +nsid",
      [
        /^; NSID: 68 65 72 65 \("here"\)$/m,
      ],
    ),
    "RFC 6891 section 7: EDNS over TCP": soa(`${WITH} +tcp`, [EDNS]),
    "RFC 6891 section 6.2.3: a payload size below 512 means 512": soa(
      "+edns=0 +bufsize=0 +nocookie +norec",
      [EDNS],
    ),
    "RFC 6891 section 6.2.5: the largest payload size is not what we send": soa(
      "+edns=0 +bufsize=65535 +nocookie +norec",
      [EDNS],
    ),
    "RFC 6891 section 6.1.3: dig, told of version 0, asks again and is answered":
      async (subject) => {
        const text = await subject.dig(
          "+edns=1",
          "+ednsnegotiation",
          "soa",
          ZONE,
        );
        assertMatch(text, /status: NOERROR/);
      },
    "kdig sees the same": async (subject) => {
      const text = await subject.kdig("+edns=1", "soa", ZONE);
      assertMatch(text, /status: BADVERS/);
      assertMatch(
        await subject.kdig("+dnssec", "+nsid", "soa", ZONE),
        /NSID: .*here/,
      );
    },
  },
);
