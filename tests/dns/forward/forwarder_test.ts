import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import {
  DO,
  EdnsOption,
  ExtendedError,
  Flag,
  MAX_MESSAGE,
  Rcode,
  Type,
} from "../../../src/dns/wire/constants.ts";
import {
  type ForwarderOptions,
  UpstreamForwarder,
} from "../../../src/dns/forward/forwarder.ts";
import { parseAddress } from "../../../src/net/address.ts";
import { Inquiry } from "../../../src/dns/wire/inquiry.ts";
import {
  decodeMessage,
  type Message,
  type ResourceRecord,
} from "../../../src/dns/wire/message.ts";
import { formatName, parseName, ROOT } from "../../../src/dns/wire/name.ts";
import { writeResolution } from "../../../src/dns/forward/resolution.ts";
import { Route, Routes } from "../../../src/dns/forward/routes.ts";
import type { Upstream } from "../../../src/dns/forward/upstream.ts";
import { until } from "../../until.ts";
import { clientQuery, optRecord } from "../queries.ts";
import {
  answer,
  deadServer,
  failure,
  type Received,
  startUpstream,
} from "../upstream.ts";

const SECOND = 1000;

/** A forwarder to these servers, with a clock that moves only when told. */
function forwarderTo(
  servers: Upstream[],
  parts: Partial<ForwarderOptions & { domains: Record<string, Upstream[]> }> =
    {},
) {
  const clock = { now: 1_000_000_000 };
  const notSelf = () => false;
  const route = (domain: string, servers: Upstream[]) =>
    new Route(
      domain === "." ? ROOT : parseName(domain),
      servers.length > 0 ? () => Promise.resolve(servers) : undefined,
      notSelf,
    );
  const routes = new Routes(
    servers.length > 0 ? route(".", servers) : undefined,
    Object.entries(parts.domains ?? {}).map(([domain, servers]) =>
      route(domain, servers)
    ),
  );
  const forwarder = new UpstreamForwarder({
    routes,
    cacheSize: 100,
    serveStale: 0,
    privateAnswers: { when: "auto", exceptions: [] },
    now: () => clock.now,
    ...parts,
  });
  return { forwarder, clock };
}

interface Asked {
  name?: string;
  type?: number;
  parts?: Partial<Message>;
  limit?: number;
  client?: string;
}

/** What a client gets, and whether it got it at once. */
async function ask(
  forwarder: UpstreamForwarder,
  { name = "example.net", type, parts, limit = MAX_MESSAGE, client: from }:
    Asked = {},
): Promise<Message & { atOnce: boolean }> {
  const { packet, query } = clientQuery(name, type, parts);
  const client = parseAddress(from ?? "127.0.0.1")!;
  const known = forwarder.find(packet, query);
  const resolution = known ?? await forwarder.resolve(packet, query, client);
  const inquiry = new Inquiry(query);
  inquiry.packet = packet;
  inquiry.limit = limit;
  const out = new Uint8Array(limit);
  const length = writeResolution(inquiry, out, resolution);
  return {
    ...decodeMessage(out.subarray(0, length)),
    atOnce: known !== undefined,
  };
}

const addresses = ({ answers }: Message) =>
  answers.map(({ rdata }) => rdata.join("."));
const nameOf = ({ questions }: Message) => formatName(questions[0].name);
const ttls = ({ answers, authorities, additionals }: Message) =>
  [...answers, ...authorities, ...additionals]
    .filter(({ type }) => type !== Type.OPT).map(({ ttl }) => ttl);

/** The Extended DNS Errors of a response: codes and texts. */
function errorsOf({ additionals }: Message): [number, string][] {
  const { rdata } = additionals.find(({ type }) => type === Type.OPT)!;
  const errors: [number, string][] = [];
  for (let at = 0; at < rdata.length;) {
    const end = at + 4 + (rdata[at + 2] << 8 | rdata[at + 3]);
    assertEquals(rdata[at + 1], EdnsOption.EXTENDED_ERROR);
    const text = new TextDecoder().decode(rdata.subarray(at + 6, end));
    errors.push([rdata[at + 4] << 8 | rdata[at + 5], text]);
    at = end;
  }
  return errors;
}

const withEdns = { parts: { additionals: [optRecord()] } };
const answering = ({ query, reply }: Received) => reply(answer(query));

/** A SOA record for example.net with this TTL and last field. */
function soa(ttl: number, minimum: number): ResourceRecord {
  const numbers = new DataView(new ArrayBuffer(20));
  numbers.setUint32(16, minimum);
  const name = parseName("example.net");
  const rdata = Uint8Array.of(
    ...name,
    ...name,
    ...new Uint8Array(numbers.buffer),
  );
  return { name, type: Type.SOA, class: 1, ttl, rdata };
}

Deno.test("the client gets upstream's answer under its own ID, without what was not validated here", async () => {
  await using upstream = startUpstream(answering);
  const { forwarder } = forwarderTo([upstream.server]);
  const response = await ask(forwarder, {
    parts: { flags: Flag.RD | Flag.CD, id: 9 },
  });
  assertEquals([response.id, response.rcode], [9, Rcode.NOERROR]);
  assertEquals(response.flags, Flag.QR | Flag.RA | Flag.RD | Flag.CD);
  assertEquals(addresses(response), ["192.0.2.80"]);
  assertEquals(response.additionals, []);
});

Deno.test("EDNS is hop by hop: DO goes up, an Extended DNS Error comes down, other options do not (RFC 6891 section 6.2.1)", async () => {
  const ede = [0, EdnsOption.EXTENDED_ERROR, 0, 3, 0, 22, 33],
    nsid = [0, EdnsOption.NSID, 0, 1, 9];
  await using upstream = startUpstream(({ query, reply }) =>
    reply(
      answer(query, undefined, {
        additionals: [{
          ...optRecord(),
          rdata: Uint8Array.of(...nsid, ...ede),
        }],
      }),
    )
  );
  const { forwarder } = forwarderTo([upstream.server]);
  const parts = { additionals: [optRecord(DO)] };
  for (const atOnce of [false, true]) {
    const response = await ask(forwarder, { parts });
    assertEquals(response.atOnce, atOnce);
    assertEquals(response.additionals, [{
      ...optRecord(DO),
      class: 1232,
      rdata: Uint8Array.from(ede),
    }]);
  }
  const [opt] = upstream.received[0].query.additionals;
  assertEquals([opt.type, opt.class, opt.ttl], [Type.OPT, 1232, DO]);
});

Deno.test("the client gets its own case back, in the question and wherever its name is an owner (RFC 4343 section 4.1)", async () => {
  await using upstream = startUpstream(answering);
  const { forwarder } = forwarderTo([upstream.server]);
  for (const name of ["eXample.NET.", "EXAMPLE.net.", "example.net."]) {
    const { questions, answers } = await ask(forwarder, { name });
    assertEquals(formatName(questions[0].name), name);
    assertEquals(formatName(answers[0].name), name);
  }
  assertEquals(upstream.received.length, 1);
});

Deno.test("unknown types and all sections pass as they are (RFC 3597 section 3)", async () => {
  const rdata = Uint8Array.of(1, 2, 3, 0xc0, 12);
  const record = (name: string, ttl: number): ResourceRecord => ({
    name: parseName(name),
    type: 65280,
    class: 1,
    ttl,
    rdata,
  });
  const parts = {
    answers: [record("example.net", 60)],
    authorities: [record("net", 70)],
    additionals: [record("a.example.net", 80), record("b.example.net", 90)],
  };
  await using upstream = startUpstream(({ query, reply }) =>
    reply(answer(query, undefined, parts))
  );
  const { forwarder } = forwarderTo([upstream.server]);
  for (const atOnce of [false, true]) {
    const response = await ask(forwarder, { type: 65280 });
    const { answers, authorities, additionals } = response;
    assertEquals({ answers, authorities, additionals }, parts);
    assertEquals(response.atOnce, atOnce);
  }
});

Deno.test("an answer larger than the client takes is truncated, the first time and from the cache (RFC 2181 section 9)", async () => {
  await using upstream = startUpstream(({ query, reply }) => {
    const [record] = answer(query).answers;
    const answers = Array.from(
      { length: 40 },
      (_, i) => ({ ...record, rdata: Uint8Array.of(192, 0, 2, i) }),
    );
    return reply(answer(query, undefined, { answers }));
  });
  const { forwarder, clock } = forwarderTo([upstream.server]);
  for (let i = 0; i < 2; i++) {
    const cut = await ask(forwarder, { limit: 512 });
    assertEquals([cut.flags & Flag.TC, cut.answers.length], [Flag.TC, 0]);
    const whole = await ask(forwarder, { limit: 1232 });
    assertEquals([whole.flags & Flag.TC, whole.answers.length], [0, 40]);
    clock.now += SECOND;
  }
  assertEquals(upstream.received.length, 1);
});

Deno.test("additional records that do not fit are left out without truncation (RFC 2181 section 9)", async () => {
  await using upstream = startUpstream(({ query, reply }) => {
    const additionals = Array.from({ length: 40 }, (_, i) => ({
      ...answer(query).answers[0],
      name: parseName(`ns${i}.example.net`),
    }));
    return reply(answer(query, undefined, { additionals }));
  });
  const { forwarder, clock } = forwarderTo([upstream.server]);
  await ask(forwarder);
  clock.now += SECOND;
  const { flags, answers, additionals } = await ask(forwarder, {
    ...withEdns,
    limit: 512,
  });
  assertEquals([flags & Flag.TC, additionals.length], [0, 1]);
  assertEquals(answers[0].ttl, 299);
});

Deno.test("an answer is kept until its least TTL is over, and its TTLs age (RFC 1034 section 5.3.3, RFC 2181 section 8)", async () => {
  await using upstream = startUpstream(({ query, reply }) => {
    const [record] = answer(query).answers;
    return reply(
      answer(query, undefined, {
        answers: [record, { ...record, ttl: 100 }],
        authorities: [{ ...record, ttl: 200 }],
        additionals: [{ ...record, ttl: 400 }],
      }),
    );
  });
  const { forwarder, clock } = forwarderTo([upstream.server]);
  assertEquals(ttls(await ask(forwarder)), [300, 100, 200, 400]);
  clock.now += 40_999;
  const response = await ask(forwarder, withEdns);
  assertEquals(ttls(response), [260, 60, 160, 360]);
  assert(response.atOnce);
  clock.now += 59_000;
  assertEquals(ttls(await ask(forwarder)), [201, 1, 101, 301]);
  clock.now += 1;
  assertEquals((await ask(forwarder)).atOnce, false);
});

Deno.test("a clock that is set back makes answers be asked for anew, not kept for longer", async () => {
  await using upstream = startUpstream(answering);
  const { forwarder, clock } = forwarderTo([upstream.server]);
  await ask(forwarder);
  clock.now -= SECOND;
  assertEquals((await ask(forwarder)).atOnce, false);
});

Deno.test("a TTL of 0 is for those who asked, and not kept (RFC 1035 section 3.2.1)", async () => {
  await using upstream = startUpstream(({ query, reply }) => {
    const [record] = answer(query).answers;
    return reply(
      answer(query, undefined, { answers: [{ ...record, ttl: 0 }] }),
    );
  });
  const { forwarder } = forwarderTo([upstream.server]);
  for (let i = 1; i <= 2; i++) {
    const response = await ask(forwarder);
    assertEquals([response.atOnce, ...ttls(response)], [false, 0]);
    assertEquals(upstream.received.length, i);
  }
});

Deno.test("names, types, DO and CD have answers of their own, and the case of a name does not matter", async () => {
  await using upstream = startUpstream(({ query, reply }) => {
    const [record] = answer(query).answers, { type } = query.questions[0];
    const rdata = Uint8Array.of(0, 1, 0); // right for HTTPS: priority and target
    return reply(
      answer(query, undefined, { answers: [{ ...record, type, rdata }] }),
    );
  });
  const { forwarder } = forwarderTo([upstream.server]);
  const questions: Asked[] = [
    { name: "a.example" },
    { name: "b.example" },
    { name: "a.example", type: Type.HTTPS },
    { name: "a.example", type: Type.HTTPS ^ 0x20 }, // 65 and 97 are one letter in two cases
    { name: "a.example", parts: { additionals: [optRecord(DO)] } },
    { name: "a.example", parts: { flags: Flag.RD | Flag.CD } },
  ];
  for (const question of questions) {
    assertEquals((await ask(forwarder, question)).atOnce, false);
  }
  for (const question of questions) {
    const name = question.name!.toUpperCase();
    assertEquals((await ask(forwarder, { ...question, name })).atOnce, true);
  }
  assertEquals(upstream.received.length, questions.length);
});

Deno.test("questions for the same at the same time are asked once, and each client is answered in its own way", async () => {
  const asked = Promise.withResolvers<void>(),
    go = Promise.withResolvers<void>();
  await using upstream = startUpstream(async ({ query, reply }) => {
    asked.resolve();
    await go.promise;
    await reply(answer(query));
  });
  const { forwarder } = forwarderTo([upstream.server]);
  const first = ask(forwarder, { name: "example.net", parts: { id: 1 } });
  await asked.promise;
  const others = ["EXAMPLE.net", "example.NET", "Example.Net"].map((name, i) =>
    ask(forwarder, { ...withEdns, name, parts: { id: 2 + i } })
  );
  go.resolve();
  const responses = await Promise.all([first, ...others]);
  assertEquals(upstream.received.length, 1);
  assertEquals(responses.map(({ id }) => id), [1, 2, 3, 4]);
  assertEquals(
    responses.map(({ answers }) => formatName(answers[0].name)),
    ["example.net.", "EXAMPLE.net.", "example.NET.", "Example.Net."],
  );
});

Deno.test("with a cache of size 0 nothing is kept", async () => {
  await using upstream = startUpstream(answering);
  const { forwarder } = forwarderTo([upstream.server], { cacheSize: 0 });
  assertEquals((await ask(forwarder)).atOnce, false);
  assertEquals((await ask(forwarder)).atOnce, false);
  assertEquals(upstream.received.length, 2);
});

Deno.test("that there is no such name or no such data is kept as the SOA record says (RFC 2308 section 5)", async () => {
  for (const rcode of [Rcode.NXDOMAIN, Rcode.NOERROR]) {
    const cases = [[600, 60, 60], [60, 600, 60], [99999, 99999, 10800]];
    for (const [ttl, minimum, kept] of cases) {
      await using upstream = startUpstream(({ query, reply }) =>
        reply({ ...failure(query, rcode), authorities: [soa(ttl, minimum)] })
      );
      const { forwarder, clock } = forwarderTo([upstream.server]);
      assertEquals(ttls(await ask(forwarder)), [kept]);
      clock.now += (kept - 1) * SECOND;
      const response = await ask(forwarder);
      assertEquals([response.atOnce, response.rcode], [true, rcode]);
      assertEquals(ttls(response), [1]);
      clock.now += SECOND;
      assertEquals((await ask(forwarder)).atOnce, false);
    }
  }
});

Deno.test("without a SOA record a negative answer is not kept (RFC 2308 section 5)", async () => {
  for (const rcode of [Rcode.NXDOMAIN, Rcode.NOERROR]) {
    await using upstream = startUpstream(({ query, reply }) =>
      reply(failure(query, rcode))
    );
    const { forwarder } = forwarderTo([upstream.server]);
    assertEquals((await ask(forwarder)).rcode, rcode);
    assertEquals((await ask(forwarder)).atOnce, false);
  }
});

Deno.test("an alias that leads to nothing is a negative answer too (RFC 2308 section 2.1)", async () => {
  const alias = (query: Message): ResourceRecord => ({
    name: query.questions[0].name,
    type: Type.CNAME,
    class: 1,
    ttl: 300,
    rdata: parseName("gone.example.net"),
  });
  let authorities: ResourceRecord[] = [];
  await using upstream = startUpstream(({ query, reply }) =>
    reply(answer(query, undefined, { answers: [alias(query)], authorities }))
  );
  const { forwarder, clock } = forwarderTo([upstream.server]);
  await ask(forwarder);
  assertEquals((await ask(forwarder)).atOnce, false);
  authorities = [soa(600, 30)];
  assertEquals(ttls(await ask(forwarder)), [300, 30]);
  clock.now += 30 * SECOND;
  assertEquals((await ask(forwarder)).atOnce, false);
  // Who asks for the alias itself has it.
  authorities = [];
  const type = Type.CNAME;
  await ask(forwarder, { type });
  assert((await ask(forwarder, { type })).atOnce);
});

Deno.test("no TTL is longer than a week, not even one with its first bit set (RFC 8767 section 4)", async () => {
  await using upstream = startUpstream(({ query, reply }) => {
    const [record] = answer(query).answers;
    return reply(
      answer(query, undefined, { answers: [{ ...record, ttl: 0xffffffff }] }),
    );
  });
  const { forwarder, clock } = forwarderTo([upstream.server]);
  assertEquals(ttls(await ask(forwarder)), [604800]);
  clock.now += 604800 * SECOND - 1;
  assertEquals(ttls(await ask(forwarder)), [1]);
  clock.now += 1;
  assertEquals((await ask(forwarder)).atOnce, false);
});

Deno.test("a failure is kept for 5 s, and for longer when it lasts, but not for long (RFC 9520 section 3.2)", async () => {
  await using upstream = startUpstream(({ query, reply }) =>
    reply(failure(query, Rcode.SERVFAIL))
  );
  const { forwarder, clock } = forwarderTo([upstream.server]);
  for (const kept of [5, 10, 20, 30, 30]) {
    const first = await ask(forwarder, withEdns);
    assertEquals([first.atOnce, first.rcode], [false, Rcode.SERVFAIL]);
    clock.now += kept * SECOND - 1;
    const second = await ask(forwarder, withEdns);
    assertEquals([second.atOnce, second.rcode], [true, Rcode.SERVFAIL]);
    assertEquals(errorsOf(second), [[ExtendedError.CACHED_ERROR, ""]]);
    clock.now += 1;
  }
  assertEquals(upstream.received.length, 5);
});

Deno.test("a failure of one question is no other's: not another name's, not that of a client that checks itself", async () => {
  await using upstream = startUpstream(({ query, reply }) =>
    query.flags & Flag.CD
      ? reply(answer(query))
      : reply(failure(query, Rcode.SERVFAIL))
  );
  const { forwarder } = forwarderTo([upstream.server]);
  assertEquals((await ask(forwarder)).rcode, Rcode.SERVFAIL);
  const unchecked = { parts: { flags: Flag.RD | Flag.CD } };
  assertEquals((await ask(forwarder, unchecked)).rcode, Rcode.NOERROR);
});

Deno.test("what is wrong between us and upstream is a failure of ours: only REFUSED is passed on", async () => {
  const codes: Record<number, number> = {
    [Rcode.FORMERR]: Rcode.SERVFAIL,
    [Rcode.NOTIMP]: Rcode.SERVFAIL,
    [Rcode.SERVFAIL]: Rcode.SERVFAIL,
    [Rcode.REFUSED]: Rcode.REFUSED,
    9: Rcode.SERVFAIL,
  };
  for (const [theirs, ours] of Object.entries(codes)) {
    await using upstream = startUpstream(({ query, reply }) =>
      reply(failure(query, Number(theirs)))
    );
    const { forwarder } = forwarderTo([upstream.server]);
    assertEquals((await ask(forwarder)).rcode, ours, theirs);
  }
});

Deno.test("when nobody replies the client is told so, and others at once (RFC 8914 section 4.23)", async () => {
  const dead = deadServer();
  const { forwarder } = forwarderTo([dead]);
  const first = await ask(forwarder, withEdns);
  assertEquals(first.rcode, Rcode.SERVFAIL);
  const error: [number, string] = [
    ExtendedError.NO_REACHABLE_AUTHORITY,
    `${dead.name} does not reply`,
  ];
  assertEquals(errorsOf(first), [error]);
  const second = await ask(forwarder, withEdns);
  assert(second.atOnce);
  assertEquals(errorsOf(second), [error, [ExtendedError.CACHED_ERROR, ""]]);
});

Deno.test("an expired answer is given out while upstream fails, for as long as allowed (RFC 8767 section 5)", async () => {
  let fails = false;
  await using upstream = startUpstream(({ query, reply }) =>
    reply(fails ? failure(query, Rcode.SERVFAIL) : answer(query))
  );
  const { forwarder, clock } = forwarderTo([upstream.server], {
    serveStale: 3600,
  });
  await ask(forwarder);
  fails = true;
  clock.now += 300 * SECOND;
  const stale = await ask(forwarder, withEdns);
  assertEquals([stale.atOnce, stale.rcode], [false, Rcode.NOERROR]);
  assertEquals(addresses(stale), ["192.0.2.80"]);
  assertEquals(ttls(stale), [30]);
  assertEquals(errorsOf(stale), [[ExtendedError.STALE_ANSWER, ""]]);
  // For 30 s nobody is asked again.
  clock.now += 30 * SECOND - 1;
  const again = await ask(forwarder, withEdns);
  assertEquals([again.atOnce, ...ttls(again)], [true, 30]);
  assertEquals(errorsOf(again), [[ExtendedError.STALE_ANSWER, ""]]);
  assertEquals(upstream.received.length, 2);
  clock.now += 1;
  assertEquals((await ask(forwarder)).atOnce, false);
  // Until it is too old, or there is a new answer.
  clock.now += 3570 * SECOND;
  assertEquals((await ask(forwarder)).rcode, Rcode.SERVFAIL);
  fails = false;
  clock.now += 5 * SECOND;
  const fresh = await ask(forwarder);
  assertEquals([fresh.atOnce, ...ttls(fresh)], [false, 300]);
  assert((await ask(forwarder)).atOnce);
});

Deno.test("a stale answer that there is no such name is told as one (RFC 8914 section 4.20)", async () => {
  let rcode: number = Rcode.NXDOMAIN;
  await using upstream = startUpstream(({ query, reply }) =>
    reply({ ...failure(query, rcode), authorities: [soa(60, 60)] })
  );
  const { forwarder, clock } = forwarderTo([upstream.server], {
    serveStale: 3600,
  });
  await ask(forwarder);
  rcode = Rcode.SERVFAIL;
  clock.now += 60 * SECOND;
  const stale = await ask(forwarder, withEdns);
  assertEquals([stale.rcode, ...ttls(stale)], [Rcode.NXDOMAIN, 30]);
  assertEquals(errorsOf(stale), [[ExtendedError.STALE_NXDOMAIN_ANSWER, ""]]);
});

Deno.test("a client does not wait long for a new answer where there is a stale one, and the new one is kept (RFC 8767 section 5)", async () => {
  const go = Promise.withResolvers<void>();
  let slow = false;
  await using upstream = startUpstream(async ({ query, reply }) => {
    if (slow) await go.promise;
    await reply(answer(query, slow ? "192.0.2.81" : "192.0.2.80"));
  });
  const { forwarder, clock } = forwarderTo([upstream.server], {
    serveStale: 3600,
  });
  await ask(forwarder);
  slow = true;
  clock.now += 300 * SECOND;
  const stale = await ask(forwarder, withEdns);
  assertEquals(addresses(stale), ["192.0.2.80"]);
  assertEquals(errorsOf(stale), [[ExtendedError.STALE_ANSWER, ""]]);
  const joined = ask(forwarder);
  go.resolve();
  assertEquals(addresses(await joined), ["192.0.2.81"]);
  assert((await ask(forwarder)).atOnce);
});

Deno.test("without the option an expired answer is never given out", async () => {
  let fails = false;
  await using upstream = startUpstream(({ query, reply }) =>
    reply(fails ? failure(query, Rcode.SERVFAIL) : answer(query))
  );
  const { forwarder, clock } = forwarderTo([upstream.server]);
  await ask(forwarder);
  fails = true;
  clock.now += 300 * SECOND;
  assertEquals((await ask(forwarder)).rcode, Rcode.SERVFAIL);
});

Deno.test("a domain's servers are asked about it and all below it, the others about all else", async () => {
  await using rest = startUpstream(answering);
  await using corp = startUpstream(({ query, reply }) =>
    reply(answer(query, "10.0.0.1"))
  );
  await using lab = startUpstream(({ query, reply }) =>
    reply(answer(query, "10.0.0.2"))
  );
  const { forwarder } = forwarderTo([rest.server], {
    domains: {
      "corp.example": [corp.server],
      "lab.corp.example": [lab.server],
    },
  });
  const asked = async (name: string) =>
    addresses(await ask(forwarder, { name }))[0];
  assertEquals(await asked("Corp.Example"), "10.0.0.1");
  assertEquals(await asked("www.corp.EXAMPLE"), "10.0.0.1");
  assertEquals(await asked("lab.corp.example"), "10.0.0.2");
  assertEquals(await asked("a.b.lab.corp.example"), "10.0.0.2");
  assertEquals(await asked("example"), "192.0.2.80");
  assertEquals(await asked("xcorp.example"), "192.0.2.80");
});

Deno.test("about a domain without servers nobody is asked: there is nothing in it", async () => {
  await using upstream = startUpstream(answering);
  const { forwarder } = forwarderTo([upstream.server], {
    domains: { "home.example": [] },
  });
  const below = await ask(forwarder, { name: "nas.home.example" });
  assertEquals([below.rcode, below.atOnce], [Rcode.NXDOMAIN, true]);
  assertEquals(below.flags & Flag.AA, Flag.AA);
  assertEquals(
    below.authorities.map(({ name, type }) => [formatName(name), type]),
    [["home.example.", Type.SOA]],
  );
  const apex = await ask(forwarder, { name: "home.example" });
  assertEquals([apex.rcode, apex.answers.length], [Rcode.NOERROR, 0]);
  assertEquals(upstream.received.length, 0);
});

Deno.test("where only domains have servers, other names are REFUSED at once", async () => {
  await using corp = startUpstream(answering);
  const { forwarder } = forwarderTo([], {
    domains: { "corp.example": [corp.server] },
  });
  const name = "www.corp.example";
  assertEquals((await ask(forwarder, { name })).rcode, Rcode.NOERROR);
  const other = await ask(forwarder, withEdns);
  assertEquals([other.rcode, other.atOnce], [Rcode.REFUSED, true]);
  assertEquals(errorsOf(other)[0][0], ExtendedError.PROHIBITED);
});

Deno.test("however many questions wait for a dead server, those about other domains are answered, whoever asks", async () => {
  await using upstream = startUpstream(answering);
  const { forwarder } = forwarderTo([upstream.server], {
    domains: { "dead.example": [deadServer()] },
  });
  const given: number[] = [];
  const waiting = Array.from(
    { length: 1200 },
    (_, i) =>
      ask(forwarder, { name: `${i}.dead.example` }).catch((error) => {
        assert(error.message.includes("questions are with"), error.message);
        given.push(i);
      }),
  );
  for (const client of ["127.0.0.1", "192.0.2.1", "2001:db8::1"]) {
    const name = `${client.length}.example.net`;
    const response = await ask(forwarder, { client, name });
    assertEquals(addresses(response), ["192.0.2.80"]);
  }
  assert(given.length >= 200 && given.length < 300, `${given.length}`);
  forwarder.close(new Error("questions are with nobody"));
  await Promise.allSettled(waiting);
});

Deno.test("what two clients wait for is not lost with the one that asks for too much", async () => {
  const held: Received[] = [];
  await using upstream = startUpstream((received) => {
    held.push(received);
  });
  const { forwarder } = forwarderTo([upstream.server]);
  const shared = ask(forwarder, { client: "198.51.100.1" });
  await until("the question is upstream", () => held.length === 1);
  const theirs = ask(forwarder, { client: "203.0.113.1" });
  const greedy = Array.from(
    { length: 1100 },
    (_, i) =>
      ask(forwarder, { client: "198.51.100.1", name: `${i}.example.net` })
        .catch(() => {}),
  );
  await until("there are too many", () => held.length >= 900);
  for (const each of held.filter(({ query }) => nameOf(query).length < 14)) {
    await each.reply(answer(each.query));
  }
  assertEquals(addresses(await theirs), ["192.0.2.80"]);
  assertEquals(addresses(await shared), ["192.0.2.80"]);
  forwarder.close(new Error("over"));
  await Promise.allSettled(greedy);
});

Deno.test("an answer that leads to a private address is withheld, from the cache too, and says why (RFC 8914 section 4.16)", async () => {
  await using upstream = startUpstream(({ query, reply }) =>
    reply(answer(query, "192.168.0.10"))
  );
  const { forwarder } = forwarderTo([upstream.server], {
    privateAnswers: { when: "refuse", exceptions: [parseName("ok.example")] },
    domains: { "corp.example": [upstream.server] },
  });
  for (const atOnce of [false, true]) {
    const response = await ask(forwarder, withEdns);
    assertEquals([response.rcode, addresses(response)], [Rcode.NOERROR, []]);
    assertEquals(response.atOnce, atOnce);
    const [[code, text]] = errorsOf(response);
    assertEquals(code, ExtendedError.BLOCKED);
    assert(text.includes("192.168.0.10") && text.includes("--rebind-ok"), text);
  }
  for (const name of ["www.ok.example", "ok.example", "www.corp.example"]) {
    assertEquals(addresses(await ask(forwarder, { name })), ["192.168.0.10"]);
  }
});

Deno.test("this server itself is never asked", async () => {
  await using self = startUpstream(() => {});
  const route = new Route(
    ROOT,
    () => Promise.resolve([self.server]),
    ({ port }) => port === self.server.port,
  );
  const { forwarder } = forwarderTo([], { routes: new Routes(route, []) });
  await assertRejects(() => ask(forwarder), Error, "no upstream server");
  assertEquals(self.received.length, 0);
});

Deno.test("when the servers change, what the old ones said is forgotten", async () => {
  await using first = startUpstream(answering);
  await using second = startUpstream(({ query, reply }) =>
    reply(answer(query, "192.0.2.81"))
  );
  let servers = [first.server];
  const route = new Route(ROOT, () => Promise.resolve(servers), () => false);
  const { forwarder, clock } = forwarderTo([], {
    routes: new Routes(route, []),
  });
  await ask(forwarder);
  clock.now += 2 * SECOND;
  assert((await ask(forwarder)).atOnce);
  servers = [second.server];
  clock.now += 2 * SECOND;
  await until("the new server's answer", async () => {
    const [address] = addresses(await ask(forwarder));
    return address === "192.0.2.81";
  });
});

Deno.test("a question that waits when the forwarder is closed fails with the reason", async () => {
  const asked = Promise.withResolvers<void>();
  await using silent = startUpstream(() => asked.resolve());
  const { forwarder } = forwarderTo([silent.server]);
  const waiting = assertRejects(() => ask(forwarder), Error, "shutting down");
  await asked.promise;
  forwarder.close(new Error("shutting down"));
  await waiting;
  await assertRejects(() => ask(forwarder), Error, "shutting down");
});

Deno.test("each question that is asked again has another ID", async () => {
  await using upstream = startUpstream(answering);
  const { forwarder } = forwarderTo([upstream.server], { cacheSize: 0 });
  await ask(forwarder);
  await ask(forwarder);
  const [first, second] = upstream.received;
  assertNotEquals(
    [first.query.id, first.port],
    [second.query.id, second.port],
  );
});
