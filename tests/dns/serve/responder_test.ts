import { assert, assertEquals } from "@std/assert";
import {
  DO,
  EdnsOption,
  Flag,
  MAX_MESSAGE,
  Rcode,
  Type,
} from "../../../src/dns/wire/constants.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type ResourceRecord,
} from "../../../src/dns/wire/message.ts";
import { formatName, parseName } from "../../../src/dns/wire/name.ts";
import { Access } from "../../../src/dns/serve/access.ts";
import { Cookies } from "../../../src/dns/serve/cookies.ts";
import { Guard, type GuardOptions } from "../../../src/dns/serve/guard.ts";
import type { Host } from "../../../src/dns/zone/hosts.ts";
import { parseNetwork } from "../../../src/net/network.ts";
import { KnownPeer } from "../../../src/net/peer.ts";
import type { Forwarder } from "../../../src/dns/forward/forwarder.ts";
import { Responder } from "../../../src/dns/serve/responder.ts";
import { TokenBuckets } from "../../../src/dns/serve/token_buckets.ts";
import { udpLimit } from "../../../src/dns/wire/response.ts";
import type { Transport } from "../../../src/dns/wire/transport.ts";
import { formatAddress } from "../../../src/net/address.ts";
import { withoutRecords } from "../../../src/dns/forward/resolution.ts";
import { until } from "../../until.ts";
import { Zone } from "../../../src/dns/zone/zone.ts";

const PEER = { hostname: "192.0.2.9", port: 4242 };
const NOW = 1000;

/** A guard that lets everybody in; parts override. */
function guard(parts: Partial<GuardOptions> = {}): Guard {
  const now = () => NOW;
  return new Guard({
    access: new Access([parseNetwork("192.0.2.0/24")!], now, () => []),
    cookies: new Cookies(() => NOW),
    starts: new TokenBuckets(1, 100, now),
    startProof: "never",
    unprovenStarts: new TokenBuckets(1, 2, now),
    maxUnproven: 4,
    ...parts,
  });
}

/** A host that becomes ready, or fails, when the test says so. */
function host(addresses: string[], ready: boolean, ttl = 60) {
  const came = Promise.withResolvers<void>();
  const causes: string[] = [];
  const summonable = {
    ready,
    summon(cause: string) {
      causes.push(cause);
      return came.promise;
    },
  };
  const usage = {
    requests: 0,
    lastRequest: -Infinity,
    note(_index: number, time: number) {
      this.requests++;
      this.lastRequest = time;
    },
  };
  return { addresses, ttl, summonable, usage, came, causes } satisfies
    & Host
    & Record<string, unknown>;
}

/** A responder, and what it sends later. */
function setUp(
  names: [string, Host][],
  forwarder?: Forwarder,
  parts: Partial<GuardOptions> = {},
) {
  const zone = new Zone(2026);
  for (const [name, host] of names) zone.add(host, [parseName(name)]);
  const responder = new Responder(zone, guard(parts), forwarder, () => NOW);
  const sent: Message[] = [];
  const out = new Uint8Array(1232);
  const transportOf = (name: "udp" | "tcp"): Transport => ({
    label: name === "tcp" ? "TCP" : "",
    verified: name === "tcp",
    limit: (query) => name === "tcp" ? MAX_MESSAGE : udpLimit(query),
    send: (response) => sent.push(decodeMessage(response.slice())),
  });
  const transports = { udp: transportOf("udp"), tcp: transportOf("tcp") };
  const ask = (
    packet: Uint8Array,
    name: "udp" | "tcp" = "udp",
    port = PEER.port,
    hostname = PEER.hostname,
  ): Message | undefined => {
    const length = responder.respond(
      packet,
      out,
      transports[name],
      new KnownPeer({ hostname, port }),
    );
    return length <= 0 ? undefined : decodeMessage(out.subarray(0, length));
  };
  return { responder, ask, sent, zone };
}

function query(
  name: string,
  type: number = Type.A,
  parts: Partial<Message> = {},
): Uint8Array {
  return encodeMessage({
    id: 7,
    flags: Flag.RD,
    opcode: 0,
    rcode: 0,
    questions: [{ name: parseName(name), type, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
    ...parts,
  });
}

const OPT = {
  name: new Uint8Array(1),
  type: Type.OPT,
  class: 4096,
  ttl: DO,
  rdata: new Uint8Array(0),
};
const addresses = (message: Message) =>
  message.answers.map(({ rdata }) => formatAddress(rdata));

/** The text of the Extended DNS Error in a response. */
function edeText(message: Message): string {
  const { rdata } = message.additionals.find(({ type }) => type === Type.OPT)!;
  assertEquals(rdata[1], EdnsOption.EXTENDED_ERROR);
  return new TextDecoder().decode(rdata.subarray(6));
}

Deno.test("a ready name is answered at once, with authority, in the question's case", () => {
  const www = host(["192.0.2.1", "2001:db8::1"], true);
  const { ask } = setUp([["www.example.org", www]]);
  const response = ask(query("WWW.Example.org"))!;
  assertEquals([response.id, response.rcode], [7, Rcode.NOERROR]);
  assertEquals(response.flags, Flag.QR | Flag.AA | Flag.RD);
  assertEquals(formatName(response.questions[0].name), "WWW.Example.org.");
  assertEquals(formatName(response.answers[0].name), "WWW.Example.org.");
  assertEquals(addresses(response), ["192.0.2.1"]);
  assertEquals(addresses(ask(query("www.example.org", Type.AAAA))!), [
    "2001:db8::1",
  ]);
  assertEquals([www.usage.requests, www.usage.lastRequest], [2, 1000]);
});

Deno.test("a name that is not ready is answered when its host has come, and not before", async () => {
  const www = host(["192.0.2.1"], false);
  const { ask, sent, responder } = setUp([["www.example.org", www]]);
  assertEquals(ask(query("www.example.org")), undefined);
  assertEquals(www.causes, ["A www.example.org. from 192.0.2.9#4242"]);
  assertEquals(responder.waiting, 1);
  www.came.resolve();
  await responder.idle();
  assertEquals(sent.map(addresses), [["192.0.2.1"]]);
});

Deno.test("a client that repeats its query while it waits is answered once, another client too", async () => {
  const www = host(["192.0.2.1"], false);
  const { ask, sent, responder } = setUp([["www.example.org", www]]);
  ask(query("www.example.org"));
  ask(query("www.example.org"));
  ask(query("www.example.org"), "udp", 4243);
  www.came.resolve();
  await responder.idle();
  assertEquals(sent.length, 2);
});

Deno.test("a host that cannot be started gives SERVFAIL that says why (RFC 8914)", async () => {
  const www = host(["192.0.2.1"], false);
  const { ask, sent, responder } = setUp([["www.example.org", www]]);
  ask(query("www.example.org", Type.A, { additionals: [OPT] }));
  ask(query("www.example.org"), "udp", 4243);
  www.came.reject(new Error("www: no such kernel"));
  await responder.idle();
  assertEquals(sent.map(({ rcode }) => rcode), [
    Rcode.SERVFAIL,
    Rcode.SERVFAIL,
  ]);
  assertEquals(edeText(sent[0]), "www: no such kernel");
  assertEquals(
    sent[1].additionals,
    [],
    "no OPT for a client that does not speak EDNS",
  );
});

Deno.test("all hosts behind a name are summoned, and those that come are the answer", async () => {
  const one = host(["192.0.2.1"], true, 60),
    two = host(["192.0.2.2"], false, 30),
    three = host(["192.0.2.3"], false);
  const { ask, sent, responder } = setUp([["a.test", one], ["a.test", two], [
    "a.test",
    three,
  ]]);
  ask(query("a.test"));
  two.came.resolve();
  three.came.reject(new Error("broken"));
  await responder.idle();
  assertEquals(addresses(sent[0]), ["192.0.2.1", "192.0.2.2"]);
  assertEquals(
    sent[0].answers.map(({ ttl }) => ttl),
    [30, 30],
    "an RRset has one TTL (RFC 2181 section 5.2)",
  );
});

Deno.test("a host without an address of the family asked for is summoned, and not waited for", () => {
  const www = host(["192.0.2.1"], false);
  const { ask } = setUp([["www.example.org", www]]);
  for (const type of [Type.AAAA, Type.HTTPS, Type.SVCB]) {
    const response = ask(query("www.example.org", type))!;
    assertEquals([response.rcode, response.answers.length], [Rcode.NOERROR, 0]);
  }
  assertEquals(www.causes.length, 3);
  www.came.reject(new Error("must be handled"));
});

Deno.test("other types of a local name are NODATA with the zone's SOA, and summon nobody (RFC 2308 section 2.2)", () => {
  const www = host(["192.0.2.1"], false, 42);
  const { ask } = setUp([["www.example.org", www]]);
  for (const type of [Type.TXT, Type.MX, Type.SOA, Type.DS, 65280]) {
    const response = ask(query("www.example.org", type))!;
    assertEquals([response.rcode, response.answers.length], [Rcode.NOERROR, 0]);
    const [soa] = response.authorities;
    assertEquals([formatName(soa.name), soa.type, soa.ttl], [
      "example.org.",
      Type.SOA,
      42,
    ]);
  }
  assertEquals(www.causes, []);
  assertEquals(www.usage.requests, 0);
});

Deno.test("the zone above a name has a SOA record, and is otherwise not ours", () => {
  const { ask } = setUp([["www.example.org", host(["192.0.2.1"], true)]]);
  const response = ask(query("EXAMPLE.org", Type.SOA))!;
  assertEquals([response.rcode, response.flags & Flag.AA], [
    Rcode.NOERROR,
    Flag.AA,
  ]);
  assertEquals(formatName(response.answers[0].name), "EXAMPLE.org.");
  assertEquals(ask(query("example.org", Type.A))!.rcode, Rcode.REFUSED);
});

Deno.test("a name that is also the zone above another one answers with its own SOA", () => {
  const { ask } = setUp([
    ["example.org", host(["192.0.2.1"], true)],
    ["www.example.org", host(["192.0.2.2"], true)],
  ]);
  assertEquals(
    formatName(ask(query("example.org", Type.TXT))!.authorities[0].name),
    "example.org.",
  );
  assertEquals(
    formatName(ask(query("www.example.org", Type.TXT))!.authorities[0].name),
    "example.org.",
  );
});

Deno.test("a name of one label is its own zone", () => {
  const { ask } = setUp([["printer", host(["192.0.2.1"], true)]]);
  assertEquals(
    formatName(ask(query("printer", Type.TXT))!.authorities[0].name),
    "printer.",
  );
});

Deno.test("ANY gets one synthesized record and summons nobody (RFC 8482)", () => {
  const www = host(["192.0.2.1"], false);
  const { ask } = setUp([["www.example.org", www]]);
  const response = ask(query("www.example.org", Type.ANY))!;
  assertEquals(response.answers.map(({ type }) => type), [13]);
  assertEquals(www.causes, []);
});

Deno.test("EDNS is answered with EDNS: version 0, 1232 octets, the DO bit back, and none to those who have none", () => {
  const { ask } = setUp([["www.example.org", host(["192.0.2.1"], true)]]);
  const [opt] =
    ask(query("www.example.org", Type.A, { additionals: [OPT] }))!.additionals;
  assertEquals([opt.type, opt.class, opt.ttl], [Type.OPT, 1232, DO]);
  assertEquals(ask(query("www.example.org"))!.additionals, []);
});

Deno.test("an answer that does not fit in the client's UDP size is truncated, and is whole over TCP", () => {
  const many = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}`);
  const { ask } = setUp([["many.test", host(many, true)]]);
  const cut = ask(query("many.test"))!;
  assertEquals([cut.answers.length, cut.flags & Flag.TC], [0, Flag.TC]);
  assertEquals(ask(query("many.test"), "tcp")!.answers.length, 60);
});

/** An OPT record with a COOKIE option. */
const withCookie = (cookie: Uint8Array) => ({
  additionals: [{
    ...OPT,
    rdata: Uint8Array.of(0, EdnsOption.COOKIE, 0, cookie.length, ...cookie),
  }],
});
const CLIENT_COOKIE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
/** The COOKIE option's data in a response. */
const cookieOf = ({ additionals: [{ rdata }] }: Message) =>
  rdata.slice(4, 4 + rdata[3]);

Deno.test("no answer over UDP is larger than its query tenfold, but for a client whose cookie is valid (RFC 7873)", () => {
  const many = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}`);
  const { ask } = setUp([["many.test", host(many, true)]]);
  const first = ask(query("many.test", Type.A, withCookie(CLIENT_COOKIE)))!;
  assertEquals([first.answers.length, first.flags & Flag.TC], [0, Flag.TC]);
  const cookie = cookieOf(first);
  assertEquals([cookie.length, cookie.subarray(0, 8)], [24, CLIENT_COOKIE]);
  const second = ask(query("many.test", Type.A, withCookie(cookie)))!;
  assertEquals([second.answers.length, second.flags & Flag.TC], [60, 0]);
  assertEquals(cookieOf(second), cookie);
});

Deno.test("a client that may not ask is REFUSED, whatever it asks (RFC 5358)", () => {
  const www = host(["192.0.2.1"], false);
  const { ask } = setUp([["www.example.org", www]]);
  for (const name of ["www.example.org", "example.net"]) {
    const response = ask(
      query(name, Type.A, { additionals: [OPT] }),
      "udp",
      1,
      "203.0.113.1",
    )!;
    assertEquals(response.rcode, Rcode.REFUSED);
    assert(edeText(response).includes("its own networks only"));
  }
  assertEquals([www.causes.length, www.usage.requests], [0, 0]);
});

Deno.test("a client over its rate gets every second response, truncated; this host all of them", () => {
  const responses = new TokenBuckets(1, 2, () => NOW);
  const { ask } = setUp(
    [["www.example.org", host(["192.0.2.1"], true)]],
    undefined,
    { responses },
  );
  const asked = (hostname?: string) =>
    Array.from(
      { length: 6 },
      () => ask(query("www.example.org"), "udp", 1, hostname),
    )
      .map((response) =>
        response === undefined
          ? "none"
          : response.flags & Flag.TC
          ? "TC"
          : response.answers.length
      );
  assertEquals(asked(), [1, 1, "TC", "none", "TC", "none"]);
  assertEquals(asked("127.0.0.1"), [1, 1, 1, 1, 1, 1]);
});

Deno.test("nothing that a client has not shown to be its own doing is unbounded: neither BADCOOKIE nor REFUSED nor FORMERR", () => {
  const limits = () => new TokenBuckets(1, 2, () => NOW);
  const { ask } = setUp(
    [["www.example.org", host(["192.0.2.1"], true)]],
    undefined,
    { responses: limits(), refusals: limits() },
  );
  const count = (packet: Uint8Array, hostname: string) =>
    Array.from({ length: 20 }, () => ask(packet, "udp", 1, hostname))
      .filter((response) => response !== undefined).length;
  const www = query("www.example.org", Type.A, withCookie(CLIENT_COOKIE));
  const malformed = www.slice();
  malformed[5] = 2; // questions
  // Two answers, then every second query is told to come back.
  assertEquals(count(www, PEER.hostname), 11);
  assertEquals(count(malformed, PEER.hostname), 10);
  assertEquals(count(www, "203.0.113.1"), 2);
  const refused = ask(www, "udp", 1, "198.51.100.1")!;
  const proven = query(
    "www.example.org",
    Type.A,
    withCookie(cookieOf(refused)),
  );
  assertEquals(count(proven, "198.51.100.1"), 20);
});

Deno.test("clients of several networks that come in turn are each told to come back every second time", () => {
  const { ask } = setUp(
    [["www.example.org", host(["192.0.2.1"], true)]],
    undefined,
    {
      responses: new TokenBuckets(1, 1, () => NOW),
      access: new Access([parseNetwork("0.0.0.0/0")!], () => NOW, () => []),
    },
  );
  const clients = [PEER.hostname, "198.51.100.1"];
  const answered = clients.map(() => 0);
  for (let i = 0; i < 21; i++) {
    clients.forEach((hostname, client) => {
      const response = ask(query("www.example.org"), "udp", 1, hostname);
      if (response !== undefined) answered[client]++;
    });
  }
  assertEquals(answered, [11, 11]); // one each before the limit
});

Deno.test("a client over its rate that has a client cookie is told to come back with ours (RFC 7873 section 5.2.3)", () => {
  const responses = new TokenBuckets(1, 1, () => NOW);
  const { ask } = setUp(
    [["www.example.org", host(["192.0.2.1"], true)]],
    undefined,
    { responses },
  );
  ask(query("www.example.org"));
  const bad = ask(query("www.example.org", Type.A, withCookie(CLIENT_COOKIE)))!;
  const [opt] = bad.additionals;
  assertEquals(opt.ttl >>> 24 << 4 | bad.rcode, Rcode.BADCOOKIE);
  const good = ask(
    query("www.example.org", Type.A, withCookie(cookieOf(bad))),
  )!;
  assertEquals([good.rcode, good.answers.length], [Rcode.NOERROR, 1]);
});

Deno.test("one client can have only so many machines started; those who wait already are joined all the same", () => {
  const hosts = Array.from(
    { length: 5 },
    (_, i) => host([`192.0.2.${i}`], false),
  );
  const names = hosts.map((each, i): [string, Host] => [`vm${i}.test`, each]);
  const { ask } = setUp(names, undefined, {
    starts: new TokenBuckets(1, 2, () => NOW),
  });
  const rcodes = hosts.map((_, i) => ask(query(`vm${i}.test`, Type.A))?.rcode);
  assertEquals(rcodes, [
    undefined,
    undefined,
    // Not REFUSED, for which stub resolvers would give the server up.
    Rcode.SERVFAIL,
    Rcode.SERVFAIL,
    Rcode.SERVFAIL,
  ]);
  assertEquals(hosts.map(({ causes }) => causes.length), [1, 1, 0, 0, 0]);
  assertEquals(ask(query("vm0.test"), "udp", 99)?.rcode, undefined);
  // Another network has a bucket of its own.
  assertEquals(ask(query("vm4.test"), "udp", 1, "127.0.0.1")?.rcode, undefined);
});

Deno.test("only what starts is counted, for each machine; and nothing for this host itself", () => {
  const failing = host(["192.0.2.9"], false);
  Object.assign(failing.summonable, { wouldStart: false });
  const names = Array.from({ length: 5 }, (_, i): [string, Host] => [
    `vm${i}.test`,
    host([`192.0.2.${i}`], false),
  ]);
  const both = ["192.0.2.7", "192.0.2.8"].map((address) =>
    ["both.test", host([address], false)] as [string, Host]
  );
  const { ask } = setUp(
    [["failing.test", failing], ...both, ...names],
    undefined,
    { starts: new TokenBuckets(1, 3, () => NOW) },
  );
  const rcode = (name: string, id: number, from?: string) =>
    ask(query(name), "udp", id, from)?.rcode;
  for (let i = 0; i < 80; i++) rcode("failing.test", 1000 + i);
  assertEquals(rcode("both.test", 1), undefined);
  assertEquals(rcode("vm0.test", 2), undefined);
  assertEquals(rcode("vm1.test", 3), Rcode.SERVFAIL);
  for (let i = 1; i < 5; i++) {
    assertEquals(rcode(`vm${i}.test`, 10 + i, "127.0.0.1"), undefined);
  }
});

Deno.test("what resolvers in front have started is not counted against them, and others go on being counted", () => {
  const names = Array.from({ length: 6 }, (_, i): [string, Host] => [
    `vm${i}.test`,
    host([`192.0.2.${i}`], false),
  ]);
  const { ask } = setUp(names, undefined, {
    front: [parseNetwork("192.0.2.128/25")!],
    starts: new TokenBuckets(1, 1, () => NOW),
  });
  const rcode = (i: number, from: string) =>
    ask(query(`vm${i}.test`), "udp", i + 1, from)?.rcode;
  for (let i = 0; i < 4; i++) assertEquals(rcode(i, "192.0.2.200"), undefined);
  assertEquals(rcode(4, "192.0.2.9"), undefined);
  assertEquals(rcode(5, "192.0.2.9"), Rcode.SERVFAIL);
});

Deno.test("where proof is asked for, nothing is started for a client that has not shown who it is, and it can do so at once", () => {
  for (const startProof of ["always", "auto"] as const) {
    const www = host(["192.0.2.1"], false);
    const { ask } = setUp([["www.example.org", www]], undefined, {
      startProof,
    });
    const plain = ask(query("www.example.org"))!;
    assertEquals([plain.flags & Flag.TC, plain.answers.length], [Flag.TC, 0]);
    const https = ask(query("www.example.org", Type.HTTPS))!;
    assertEquals([https.rcode, https.answers.length], [Rcode.NOERROR, 0]);
    const bad = ask(
      query("www.example.org", Type.A, withCookie(CLIENT_COOKIE)),
    )!;
    const [opt] = bad.additionals;
    assertEquals(opt.ttl >>> 24 << 4 | bad.rcode, Rcode.BADCOOKIE);
    assertEquals(www.causes.length, 0);
    ask(query("www.example.org", Type.A, withCookie(cookieOf(bad))));
    assertEquals(www.causes.length, 1);
    // It is on its way already: whoever asks now starts nothing.
    assertEquals(ask(query("www.example.org")), undefined);
    for (
      const [over, from] of [["tcp", PEER.hostname], [
        "udp",
        "127.0.0.1",
      ]] as const
    ) {
      const other = host(["192.0.2.2"], false);
      const { ask } = setUp([["other.test", other]], undefined, { startProof });
      assertEquals(ask(query("other.test"), over, 1, from), undefined);
      assertEquals(other.causes.length, 1);
    }
  }
});

Deno.test("neighbours need to prove nothing until they start machines faster than is usual", () => {
  const neighbours = parseNetwork("192.0.2.0/24")!;
  const hosts = Array.from(
    { length: 4 },
    (_, i) => host([`192.0.2.${i}`], false),
  );
  const { ask } = setUp(
    hosts.map((each, i): [string, Host] => [`vm${i}.test`, each]),
    undefined,
    {
      startProof: "auto",
      access: new Access([], () => NOW, () => [neighbours]),
    },
  );
  // From another address each time, as a forger would.
  const flags = hosts.map((_, i) =>
    ask(query(`vm${i}.test`), "udp", 1, `192.0.2.${100 + i}`)?.flags
  );
  const TC = Flag.QR | Flag.RD | Flag.TC;
  assertEquals(flags, [undefined, undefined, TC, TC]);
  assertEquals(hosts.map(({ causes }) => causes.length), [1, 1, 0, 0]);
});

Deno.test("starts for neighbours who have proved nothing never take all the places, and are free again when they are over", async () => {
  const neighbours = parseNetwork("192.0.2.0/24")!;
  const hosts = Array.from(
    { length: 5 },
    (_, i) => host([`192.0.2.${i}`], false),
  );
  const { ask, sent } = setUp(
    hosts.map((each, i): [string, Host] => [`vm${i}.test`, each]),
    undefined,
    {
      startProof: "auto",
      access: new Access([], () => NOW, () => [neighbours]),
      unprovenStarts: new TokenBuckets(1, 100, () => NOW),
      maxUnproven: 2,
    },
  );
  const isTold = (i: number, over?: "tcp") =>
    ask(query(`vm${i}.test`), over) !== undefined;
  assertEquals(isTold(0), false);
  // Whoever joins takes no place more.
  assertEquals(ask(query("vm0.test"), "udp", 99), undefined);
  assertEquals([isTold(1), isTold(2)], [false, true]);
  assertEquals(isTold(2, "tcp"), false);
  hosts[0].came.resolve();
  hosts[1].came.reject(new Error("broken"));
  await until("both are over", () => sent.length === 3);
  assertEquals([isTold(3), isTold(4)], [false, false]);
});

Deno.test("the server's identifier is told to those who ask for it (RFC 5001)", () => {
  const { ask } = setUp(
    [["www.example.org", host(["192.0.2.1"], true)]],
    undefined,
    { nsid: "ns1" },
  );
  const asking = {
    additionals: [{ ...OPT, rdata: Uint8Array.of(0, EdnsOption.NSID, 0, 0) }],
  };
  const [opt] = ask(query("www.example.org", Type.A, asking))!.additionals;
  assertEquals([...opt.rdata], [0, EdnsOption.NSID, 0, 3, 110, 115, 49]);
  assertEquals(
    ask(query("www.example.org", Type.A, { additionals: [OPT] }))!
      .additionals[0].rdata.length,
    0,
  );
});

Deno.test("an address of ours has its name, and asking for it summons nobody", () => {
  const www = host(["192.0.2.1", "2001:db8::1"], false);
  const { ask, zone } = setUp([["www.example.org", www]]);
  for (const address of www.addresses) {
    zone.addPointer(address, parseName("www.example.org"), 60);
  }
  for (
    const name of [
      "1.2.0.192.in-addr.arpa",
      `1.${"0.".repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`,
    ]
  ) {
    const response = ask(query(name, Type.PTR))!;
    assertEquals([response.rcode, response.flags & Flag.AA], [
      Rcode.NOERROR,
      Flag.AA,
    ]);
    assertEquals(formatName(response.answers[0].rdata), "www.example.org.");
    assertEquals(ask(query(name, Type.TXT))!.authorities.length, 1);
  }
  assertEquals(www.causes, []);
});

Deno.test("a response to another opcode than QUERY has none of RA, RD and CD", () => {
  const { ask } = setUp([], forwarderTo(() => Promise.reject()));
  const flags = Flag.RD | Flag.CD;
  const notify = query("www.example.org", Type.SOA, { opcode: 4, flags });
  const response = ask(notify)!;
  assertEquals([response.rcode, response.flags], [Rcode.NOTIMP, Flag.QR]);
});

Deno.test("NOTIMP is a header with ID, QR and opcode alone, as BIND's is, whatever the query had", () => {
  const { responder } = setUp([]);
  const transport: Transport = {
    label: "",
    verified: false,
    limit: udpLimit,
    send: () => {},
  };
  const out = new Uint8Array(512);
  for (let opcode = 1; opcode < 16; opcode++) {
    const packet = query("www.example.org", Type.A, {
      opcode,
      flags: Flag.RD | Flag.AD | Flag.CD,
      additionals: [OPT],
    });
    packet[3] |= 0x40; // the bit that is still free
    const header = [0x80 | opcode << 3, Rcode.NOTIMP, 0, 0, 0, 0, 0, 0, 0, 0];
    const length = responder.respond(
      packet,
      out,
      transport,
      new KnownPeer(PEER),
    );
    assertEquals([...out.subarray(0, length)], [0, 7, ...header]);
  }
});

Deno.test("a query that is signed is answered with NOTAUTH and BADKEY, and starts nobody (RFC 8945 section 5.2.1)", () => {
  const cold = host(["192.0.2.1"], false);
  const { ask } = setUp([["www.example.org", cold]]);
  const key = parseName("key.example"), algorithm = parseName("hmac-sha256");
  const time = [0, 0, 0x6a, 0, 0, 1, 1, 44];
  const tsig: ResourceRecord = {
    name: key,
    type: Type.TSIG,
    class: 255,
    ttl: 0,
    rdata: Uint8Array.of(
      ...algorithm,
      ...time,
      ...[0, 4, 1, 2, 3, 4, 0, 7, 0, 0, 0, 0],
    ),
  };
  const response = ask(
    query("www.example.org", Type.A, { additionals: [OPT, tsig] }),
  )!;
  assertEquals([response.rcode, response.answers], [Rcode.NOTAUTH, []]);
  const rdata = Uint8Array.of(
    ...algorithm,
    ...time,
    ...[0, 0, 0, 7, 0, 17, 0, 0],
  );
  assertEquals(response.additionals.at(-1), { ...tsig, rdata });
  assertEquals(cold.causes, []);
});

Deno.test("what is malformed is FORMERR, an unknown opcode NOTIMP, another class REFUSED", () => {
  const { ask } = setUp([["www.example.org", host(["192.0.2.1"], true)]]);
  assertEquals(
    ask(query("www.example.org", Type.A, { questions: [] }))!.rcode,
    Rcode.FORMERR,
  );
  assertEquals(
    ask(query("www.example.org", Type.A, { opcode: 9 }))!.rcode,
    Rcode.NOTIMP,
  );
  const chaos = [{ name: parseName("version.bind"), type: Type.TXT, class: 3 }];
  assertEquals(
    ask(query("version.bind", Type.TXT, { questions: chaos }))!.rcode,
    Rcode.REFUSED,
  );
  assertEquals(ask(query("www.example.org", Type.AXFR))!.rcode, Rcode.REFUSED);
});

Deno.test("a name that is not ours is REFUSED where there is nobody to ask", () => {
  const { ask } = setUp([]);
  const response = ask(query("example.net", Type.A, { additionals: [OPT] }))!;
  assertEquals([response.rcode, response.flags & Flag.RA], [Rcode.REFUSED, 0]);
  assert(edeText(response).includes("forwarding is off"));
});

/** Knows nothing, and says what `resolve` does. */
function forwarderTo(resolve: Forwarder["resolve"]): Forwarder {
  return { find: () => undefined, hasRoute: () => false, resolve };
}

Deno.test("a name that is not ours is forwarded, with RA set on every response", async () => {
  const asked: string[] = [];
  const forwarder = forwarderTo((packet) => {
    asked.push(formatName(decodeMessage(packet).questions[0].name));
    return asked.length === 1
      ? Promise.resolve(withoutRecords(Rcode.NXDOMAIN, []))
      : Promise.reject(new Error("no reply from 192.0.2.53#53"));
  });
  const { ask, sent, responder } = setUp([[
    "www.example.org",
    host(["192.0.2.1"], true),
  ]], forwarder);
  assertEquals(ask(query("example.net")), undefined);
  ask(query("example.com", Type.A, { additionals: [OPT] }));
  await responder.idle();
  assertEquals(asked, ["example.net.", "example.com."]);
  assertEquals(sent.map(({ rcode }) => rcode), [
    Rcode.NXDOMAIN,
    Rcode.SERVFAIL,
  ]);
  assertEquals(edeText(sent[1]), "no reply from 192.0.2.53#53");
  for (const { flags } of [...sent, ask(query("www.example.org"))!]) {
    assert(flags & Flag.RA);
  }
});

Deno.test("what the forwarder knows is answered at once", () => {
  const forwarder = forwarderTo(() => Promise.reject(new Error("not asked")));
  forwarder.find = () => withoutRecords(Rcode.NXDOMAIN, []);
  const { ask } = setUp([], forwarder);
  assertEquals(ask(query("example.net"))!.rcode, Rcode.NXDOMAIN);
});

Deno.test("a special name in a domain that servers were configured for is forwarded", () => {
  const forwarder = forwarderTo(() => Promise.reject(new Error("not asked")));
  forwarder.find = () => withoutRecords(Rcode.REFUSED, []);
  const { ask } = setUp([], forwarder);
  const name = "1.1.168.192.in-addr.arpa";
  assertEquals(ask(query(name, Type.PTR))!.rcode, Rcode.NXDOMAIN);
  forwarder.hasRoute = () => true;
  assertEquals(ask(query(name, Type.PTR))!.rcode, Rcode.REFUSED);
});

Deno.test("without recursion desired nobody else is asked", () => {
  const forwarder = forwarderTo(() => Promise.reject(new Error("not asked")));
  const { ask } = setUp([], forwarder);
  assertEquals(
    ask(query("example.net", Type.A, { flags: 0 }))!.rcode,
    Rcode.REFUSED,
  );
});

Deno.test("a name above one of ours exists, whatever a special zone says (RFC 8020 section 2)", () => {
  const www = host(["192.0.2.1"], true);
  const { ask } = setUp([["www.deep.test", www]]);
  assertEquals(ask(query("deep.test"))?.rcode, Rcode.NOERROR);
  assertEquals(ask(query("test"))?.rcode, Rcode.NOERROR);
  assertEquals(ask(query("other.test"))?.rcode, Rcode.NXDOMAIN);
});

Deno.test("a name above one of ours exists, whatever upstream says (RFC 8020 section 2)", async () => {
  const www = host(["192.0.2.1"], true);
  const absent = withoutRecords(Rcode.NXDOMAIN, []);
  const { ask, sent, responder } = setUp([["www.example.org", www]], {
    find: (_packet, { type }) => type === Type.AAAA ? absent : undefined,
    resolve: () => Promise.resolve(absent),
    hasRoute: () => false,
  });
  assertEquals(ask(query("example.org", Type.AAAA))?.rcode, Rcode.NOERROR);
  assertEquals(
    ask(query("other.example.org", Type.AAAA))?.rcode,
    Rcode.NXDOMAIN,
  );
  ask(query("example.org"));
  await responder.idle();
  assertEquals(sent.map(({ rcode }) => rcode), [Rcode.NOERROR]);
});

Deno.test("this host is no victim: its answers have the size that it takes", () => {
  const many = host(
    Array.from({ length: 50 }, (_, i) => `192.0.2.${i}`),
    true,
  );
  const { ask } = setUp([["a.example", many]]);
  const packet = query("a.example", Type.A, { additionals: [OPT] });
  const [theirs, ours] = [PEER.hostname, "127.0.0.1"].map((hostname) =>
    ask(packet, "udp", PEER.port, hostname)!
  );
  assertEquals([theirs.answers.length, theirs.flags & Flag.TC], [0, Flag.TC]);
  assertEquals([ours.answers.length, ours.flags & Flag.TC], [50, 0]);
});
