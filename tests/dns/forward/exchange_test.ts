import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import {
  DO,
  Flag,
  HEADER_SIZE,
  Rcode,
  Type,
} from "../../../src/dns/wire/constants.ts";
import { Exchange, ExchangeError } from "../../../src/dns/forward/exchange.ts";
import {
  encodeMessage,
  type Message,
  type ResourceRecord,
} from "../../../src/dns/wire/message.ts";
import { LOWER, nameKey, parseName } from "../../../src/dns/wire/name.ts";
import type { Upstream } from "../../../src/dns/forward/upstream.ts";
import { upstreamQuestion } from "../../../src/dns/forward/upstream_query.ts";
import { UpstreamSockets } from "../../../src/dns/forward/channel_udp.ts";
import { clientQuery, optRecord } from "../queries.ts";
import {
  answer,
  deadServer,
  failure,
  type Received,
  startUpstream,
} from "../upstream.ts";

/** What comes of asking these servers. */
async function ask(
  servers: Upstream[],
  {
    patience = 4500,
    started = (_: Exchange) => {},
    name = "www.Example.NET",
    parts = {} as Partial<Message>,
  } = {},
): Promise<Message> {
  const { packet, query } = clientQuery(name, Type.A, parts);
  const question = upstreamQuestion(packet, query);
  const sockets = new UpstreamSockets();
  const exchange = new Exchange(question, servers, sockets, patience);
  try {
    started(exchange);
    return await exchange.reply;
  } finally {
    exchange.close();
  }
}

const addresses = ({ answers }: Message) =>
  answers.map(({ rdata }) => rdata.join("."));

/** The octets of a response to a query, with every letter of its question in the other case. */
function inOtherCase(message: Message): Uint8Array {
  const octets = encodeMessage(message);
  const { length } = message.questions[0].name;
  for (let at = HEADER_SIZE; at < HEADER_SIZE + length; at++) {
    const isLetter = LOWER[octets[at]] >= 0x61 && LOWER[octets[at]] <= 0x7a;
    if (isLetter) octets[at] ^= 0x20;
  }
  return octets;
}

/** A response without records and with TC. */
const truncated = (query: Message): Message => ({
  ...failure(query, Rcode.NOERROR),
  flags: Flag.QR | Flag.TC,
});

Deno.test("a server over IPv6 is asked over IPv6", async () => {
  await using server = startUpstream(
    ({ query, reply }) => reply(answer(query)),
    { hostname: "::1" },
  );
  assertEquals(addresses(await ask([server.server])), ["192.0.2.80"]);
});

Deno.test("servers of both families can be asked in one exchange", async () => {
  await using six = startUpstream(
    ({ query, reply }) => reply(failure(query, Rcode.REFUSED)),
    { hostname: "::1" },
  );
  await using four = startUpstream(({ query, reply }) => reply(answer(query)));
  assertEquals(addresses(await ask([six.server, four.server])), [
    "192.0.2.80",
  ]);
});

Deno.test("each query has a source port and an ID of its own, and neither follows from the last (RFC 5452 section 9.2)", async () => {
  await using server = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  for (let i = 0; i < 20; i++) await ask([server.server]);
  const ids = server.received.map(({ query }) => query.id),
    ports = server.received.map(({ port }) => port);
  assertGreater(new Set(ids).size, 15);
  assertGreater(new Set(ports).size, 15);
  const steps = (values: number[]) =>
    new Set(values.slice(1).map((value, i) => value - values[i]));
  assertGreater(steps(ids).size, 10);
  assertGreater(steps(ports).size, 10);
});

Deno.test("only a packet from the server, with the ID and the question, is taken for its reply (RFC 5452 section 9.1)", async () => {
  const stranger = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  await using server = startUpstream(async ({ query, reply }) => {
    const other = { ...query.questions[0], name: parseName("evil.example") };
    await reply(answer(query, "6.6.6.1"), stranger);
    await reply(answer({ ...query, id: query.id ^ 1 }, "6.6.6.2"));
    await reply(answer({ ...query, questions: [other] }, "6.6.6.3"));
    await reply(answer(query, "6.6.6.4", { flags: Flag.RD })); // a query
    await reply(encodeMessage(answer(query, "6.6.6.5")).subarray(0, -1));
    await reply(answer(query));
  });
  assertEquals(addresses(await ask([server.server])), ["192.0.2.80"]);
  stranger.close();
});

Deno.test("where one server is silent the next one is asked", async () => {
  await using server = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  const dead = deadServer();
  dead.answered(1, performance.now()); // it was the fastest
  server.server.answered(50, performance.now());
  assertEquals(addresses(await ask([dead, server.server])), ["192.0.2.80"]);
  assertEquals([dead.works, server.server.works], [false, true]);
});

Deno.test("a packet that is lost is sent again, with another ID", async () => {
  let lost = 0;
  await using server = startUpstream(({ query, reply }) =>
    lost++ < 2 ? undefined : reply(answer(query))
  );
  assertEquals(addresses(await ask([server.server])), ["192.0.2.80"]);
  const ids = server.received.map(({ query }) => query.id);
  assertEquals(new Set(ids).size, 3);
});

Deno.test("a server that cannot help with a name is passed over at once, and is no worse for other names", async () => {
  for (const rcode of [Rcode.SERVFAIL, Rcode.REFUSED, Rcode.NOTIMP]) {
    const odd = nameKey(parseName("odd.example"));
    await using first = startUpstream(({ query, reply }) =>
      nameKey(query.questions[0].name) === odd
        ? reply({ ...failure(query, rcode), additionals: [optRecord()] })
        : reply(answer(query, "192.0.2.1"))
    );
    await using second = startUpstream(({ query, reply }) =>
      reply(answer(query, "192.0.2.2"))
    );
    first.server.answered(1, performance.now());
    second.server.answered(50, performance.now());
    const servers = [first.server, second.server];
    for (let i = 0; i < 5; i++) {
      const reply = await ask(servers, { name: "odd.example" });
      assertEquals(addresses(reply), ["192.0.2.2"]);
    }
    assertEquals([first.server.works, first.received.length], [true, 5]);
    assertEquals(addresses(await ask(servers)), ["192.0.2.1"]);
    assertEquals([first.received.length, second.received.length], [6, 5]);
  }
});

Deno.test("a server that cannot help with any name is asked last after some of them", async () => {
  await using first = startUpstream(({ query, reply }) =>
    reply(failure(query, Rcode.REFUSED))
  );
  await using second = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  first.server.answered(1, performance.now());
  second.server.answered(50, performance.now());
  const servers = [first.server, second.server];
  for (let i = 0; i < 3; i++) {
    assertEquals(first.server.works, true);
    assertEquals((await ask(servers, { name: `${i}.example` })).rcode, 0);
  }
  assertEquals([first.server.works, first.server.failures], [false, 1]);
  await ask(servers, { name: "3.example" });
  assertEquals(first.received.length, 3);
});

Deno.test("what a server said is told when none can help", async () => {
  await using first = startUpstream(({ query, reply }) =>
    reply(failure(query, Rcode.REFUSED))
  );
  await using second = startUpstream(({ query, reply }) =>
    reply(failure(query, Rcode.REFUSED))
  );
  const servers = [first.server, second.server];
  assertEquals((await ask(servers)).rcode, Rcode.REFUSED);
  assertEquals(servers.map(({ failures }) => failures), [0, 1]); // the second was a probe
});

Deno.test("a dead server is not waited for when another has said that it cannot help", async () => {
  await using server = startUpstream(({ query, reply }) =>
    reply(failure(query, Rcode.SERVFAIL))
  );
  server.server.answered(1, performance.now());
  const dead = deadServer();
  dead.failed(performance.now());
  // It would wait for longer than any test may take.
  const reply = await ask([server.server, dead], { patience: 600_000 });
  assertEquals(reply.rcode, Rcode.SERVFAIL);
});

Deno.test("NXDOMAIN is an answer and no failure", async () => {
  await using first = startUpstream(({ query, reply }) =>
    reply(failure(query, Rcode.NXDOMAIN))
  );
  await using second = startUpstream(() => {});
  first.server.answered(1, performance.now());
  second.server.answered(50, performance.now());
  const reply = await ask([first.server, second.server]);
  assertEquals(reply.rcode, Rcode.NXDOMAIN);
  assertEquals(second.received.length, 0);
});

Deno.test("when nobody replies the exchange fails at its deadline and names who was asked", async () => {
  const dead = deadServer();
  await assertRejects(
    () => ask([dead], { patience: 300 }),
    ExchangeError,
    `${dead.name} does not reply`,
  );
});

Deno.test("an exchange that is called off fails with the reason", async () => {
  const asked = Promise.withResolvers<void>();
  await using silent = startUpstream(() => asked.resolve());
  const waiting = assertRejects(
    () =>
      ask([silent.server], {
        started: (exchange) =>
          asked.promise.then(() => exchange.fail(new Error("shutting down"))),
      }),
    Error,
    "shutting down",
  );
  await waiting;
});

Deno.test("a truncated reply makes the same question be asked over TCP (RFC 7766 section 5)", async () => {
  const many = (query: Message): ResourceRecord[] =>
    Array.from({ length: 3000 }, (_, i) => ({
      ...answer(query).answers[0],
      rdata: Uint8Array.of(10, 0, i >> 8, i),
    }));
  await using server = startUpstream(
    ({ query, transport, reply }) =>
      transport === "udp"
        ? reply(truncated(query))
        : reply(answer(query, undefined, { answers: many(query) })),
    { tcp: true },
  );
  const reply = await ask([server.server]);
  assertEquals(reply.answers.length, 3000);
  assertEquals(server.transports, ["udp", "tcp"]);
  const [udp, tcp] = server.received;
  assertEquals(
    nameKey(udp.query.questions[0].name),
    "\x03www\x07example\x03net\0",
  );
  assertEquals(tcp.query, udp.query);
});

Deno.test("a reply that was cut within a record counts as truncated too", async () => {
  await using server = startUpstream(
    ({ query, transport, reply }) => {
      if (transport === "tcp") return reply(answer(query));
      const octets = encodeMessage(answer(query));
      octets[2] |= Flag.TC >> 8;
      return reply(octets.subarray(0, -3));
    },
    { tcp: true },
  );
  assertEquals(addresses(await ask([server.server])), ["192.0.2.80"]);
});

Deno.test("a reply over TCP counts only with the ID and the question, and if it is whole", async () => {
  const wrong: ((query: Message) => Message | Uint8Array)[] = [
    (query) => answer({ ...query, id: query.id ^ 1 }, "6.6.6.1"),
    (query) => ({
      ...answer(query, "6.6.6.2"),
      questions: [{ ...query.questions[0], type: Type.AAAA }],
    }),
    (query) => truncated(query),
    (query) => encodeMessage(answer(query, "6.6.6.3")).subarray(0, -1),
    () => new Uint8Array(0),
  ];
  for (const make of wrong) {
    await using server = startUpstream(
      ({ query, transport, reply }) =>
        reply(transport === "udp" ? truncated(query) : make(query)),
      { tcp: true },
    );
    await assertRejects(
      () => ask([server.server]),
      ExchangeError,
      "cuts its reply short over UDP, and over TCP the reply is of no use",
    );
  }
});

Deno.test("a server that truncates and has no TCP is passed over", async () => {
  await using first = startUpstream(({ query, reply }) =>
    reply(truncated(query))
  );
  await using second = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  first.server.answered(1, performance.now());
  second.server.answered(50, performance.now());
  const reply = await ask([first.server, second.server]);
  assertEquals(addresses(reply), ["192.0.2.80"]);
  assertEquals(first.server.works, true);
  await assertRejects(
    () => ask([first.server]),
    ExchangeError,
    "over TCP Connection refused",
  );
});

Deno.test("a server that hangs over TCP does not keep the next one from being asked", async () => {
  await using first = startUpstream(
    ({ query, transport, reply }) =>
      transport === "udp" ? reply(truncated(query)) : undefined,
    { tcp: true },
  );
  await using second = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  first.server.answered(1, performance.now());
  second.server.answered(50, performance.now());
  const reply = await ask([first.server, second.server]);
  assertEquals(addresses(reply), ["192.0.2.80"]);
});

Deno.test("the deadline ends a TCP connection too", async () => {
  await using server = startUpstream(
    ({ query, transport, reply }) =>
      transport === "udp" ? reply(truncated(query)) : undefined,
    { tcp: true },
  );
  await assertRejects(
    () => ask([server.server], { patience: 1500 }),
    ExchangeError,
    "does not reply",
  );
  assertEquals(server.transports, ["udp", "tcp"]);
});

Deno.test("a reply in another case makes the server be asked over TCP, and the answer there counts (draft-vixie-dnsext-dns0x20 section 3)", async () => {
  await using server = startUpstream(
    ({ query, transport, reply }) =>
      reply(
        transport === "udp"
          ? inOtherCase(answer(query, "6.6.6.1"))
          : answer(query),
      ),
    { tcp: true },
  );
  assertEquals(addresses(await ask([server.server])), ["192.0.2.80"]);
  // Its case is right over TCP: somebody else may have forged the other reply.
  assertEquals(server.server.lacks(performance.now()), []);
});

const NAMES = ["one.example.net", "two.example.net", "three.example.net"];

Deno.test("a server that keeps no case over TCP either, whatever the name, is believed over UDP from then on", async () => {
  await using server = startUpstream(
    ({ query, reply }) => reply(inOtherCase(answer(query))),
    { tcp: true },
  );
  for (const name of [NAMES[0], ...NAMES, "four.example.net"]) {
    const reply = await ask([server.server], { name });
    assertEquals(addresses(reply), ["192.0.2.80"]);
  }
  const overBoth = ["udp", "tcp"];
  assertEquals(
    server.transports,
    [overBoth, overBoth, overBoth, overBoth, "udp"].flat(),
  );
});

Deno.test("a server that keeps no case and has no TCP is asked again and believed", async () => {
  await using server = startUpstream(({ query, reply }) =>
    reply(inOtherCase(answer(query)))
  );
  for (const name of [...NAMES, "four.example.net"]) {
    const reply = await ask([server.server], { name });
    assertEquals(addresses(reply), ["192.0.2.80"]);
  }
  assertEquals(server.transports, Array(7).fill("udp"));
});

Deno.test("a server that has ever kept the case is believed over TCP alone where it does not", async () => {
  await using server = startUpstream(
    ({ query, reply, transport }) =>
      reply(
        query.questions[0].name[0] === 4
          ? inOtherCase(answer(query, "192.0.2.1"))
          : answer(query, transport === "udp" ? "192.0.2.2" : "192.0.2.3"),
      ),
    { tcp: true },
  );
  await ask([server.server], { name: "nnnnnnnnnnnnnnnnnnnnnnnn.example.net" });
  for (let i = 0; i < 6; i++) {
    const reply = await ask([server.server], { name: `odd${i}.example.net` });
    assertEquals(addresses(reply), ["192.0.2.1"]);
  }
  const odd = server.transports.slice(1);
  assertEquals(odd, Array(6).fill(["udp", "tcp"]).flat());
});

Deno.test("the case that was made up is in no reply", async () => {
  const target = parseName("other.example");
  await using server = startUpstream(({ query, reply }) =>
    reply(
      answer(query, undefined, {
        answers: [{
          name: query.questions[0].name,
          type: Type.CNAME,
          class: 1,
          ttl: 60,
          rdata: target,
        }, {
          name: target,
          type: Type.PTR,
          class: 1,
          ttl: 60,
          rdata: query.questions[0].name, // a compression pointer to the question
        }],
      }),
    )
  );
  const { questions, answers } = await ask([server.server]);
  const asked = parseName("www.example.net");
  assertEquals(questions[0].name, asked);
  assertEquals(answers[0].name, asked);
  assertEquals(answers[1].rdata, asked);
});

/** Answers what has no OPT record, and any other with this. */
function withoutEdns(rcode: number, parts: Partial<Message> = {}) {
  return ({ query, reply }: Received) =>
    query.additionals.length === 0
      ? reply(answer(query))
      : reply({ ...failure(query, rcode), ...parts });
}

Deno.test("a server that does not know EDNS is asked again without it, and that is remembered after some names (RFC 6891 section 6.2.2)", async () => {
  for (const rcode of [Rcode.FORMERR, Rcode.NOTIMP]) {
    for (const questions of [undefined, []]) {
      const parts = questions === undefined ? {} : { questions };
      await using server = startUpstream(withoutEdns(rcode, parts));
      for (const name of [NAMES[0], ...NAMES, "four.example.net"]) {
        const reply = await ask([server.server], { name });
        assertEquals(addresses(reply), ["192.0.2.80"]);
      }
      assertEquals(
        server.received.map(({ query }) => query.additionals.length),
        [1, 0, 1, 0, 1, 0, 1, 0, 0],
      );
      assertEquals(server.server.lacks(performance.now()), ["EDNS"]);
      // A client that wants DNSSEC is worth another try.
      await ask([server.server], { parts: { additionals: [optRecord(DO)] } });
      assertEquals(
        server.received.slice(-2).map(({ query }) => query.additionals.length),
        [1, 0],
      );
    }
  }
});

Deno.test("a server that has ever sent an OPT record is asked with one, whatever it says to some names", async () => {
  await using server = startUpstream(({ query, reply }) => {
    const hasOpt = query.additionals.length > 0;
    const isOdd = query.questions[0].name[0] !== 3;
    if (hasOpt && isOdd) return reply(failure(query, Rcode.FORMERR));
    const additionals = hasOpt ? [optRecord()] : [];
    return reply(answer(query, undefined, { additionals }));
  });
  await ask([server.server]); // www
  for (let i = 0; i < 6; i++) {
    const reply = await ask([server.server], { name: `odd${i}.example.net` });
    assertEquals(addresses(reply), ["192.0.2.80"]);
  }
  await ask([server.server]);
  assertEquals(server.received.at(-1)!.query.additionals.length, 1);
  assertEquals(server.server.lacks(performance.now()), []);
});

Deno.test("an error that does not repeat the question, which is easy to forge, does not count when the right reply follows", async () => {
  for (const rcode of [Rcode.FORMERR, Rcode.SERVFAIL, Rcode.REFUSED]) {
    await using server = startUpstream(async ({ query, reply }) => {
      await reply({ ...failure(query, rcode), questions: [] });
      await new Promise((resolve) => setTimeout(resolve, 50));
      await reply(answer(query, undefined, { additionals: [optRecord()] }));
    });
    const reply = await ask([server.server]);
    assertEquals([addresses(reply), reply.additionals.length], [
      ["192.0.2.80"],
      1,
    ]);
    assertEquals(server.received.length, 1);
  }
});

Deno.test("an error that does not repeat the question counts when nothing else comes, and the next server is asked at once", async () => {
  await using bare = startUpstream(({ query, reply }) =>
    reply({ ...failure(query, Rcode.REFUSED), questions: [] })
  );
  assertEquals((await ask([bare.server])).rcode, Rcode.REFUSED);
  assertEquals(bare.received.length, 1);
  const short = await ask([bare.server], { patience: 30 });
  assertEquals(short.rcode, Rcode.REFUSED);
  await using other = startUpstream(({ query, reply }) => reply(answer(query)));
  bare.server.answered(1, performance.now());
  other.server.answered(50, performance.now());
  const reply = await ask([bare.server, other.server]);
  assertEquals(addresses(reply), ["192.0.2.80"]);
});

Deno.test("octets after the last record of a reply are ignored", async () => {
  await using server = startUpstream(({ query, reply }) =>
    reply(Uint8Array.of(...encodeMessage(answer(query)), 0))
  );
  assertEquals(addresses(await ask([server.server])), ["192.0.2.80"]);
});

Deno.test("a reply over UDP that is too large to be taken makes the server be asked over TCP", async () => {
  const large = (query: Message) => ({
    answers: Array(400).fill(answer(query).answers[0]),
  });
  await using server = startUpstream(
    ({ query, reply }) => reply(answer(query, undefined, large(query))),
    { tcp: true },
  );
  const reply = await ask([server.server]);
  assertEquals(reply.answers.length, 400);
  assertEquals(server.transports, ["udp", "tcp"]);
});

Deno.test("a reply that cannot be read is asked for over TCP, and told as what it is", async () => {
  const cut = (query: Message) => encodeMessage(answer(query)).subarray(0, -1);
  await using server = startUpstream(
    ({ query, transport, reply }) =>
      reply(transport === "udp" ? cut(query) : answer(query)),
    { tcp: true },
  );
  assertEquals(addresses(await ask([server.server])), ["192.0.2.80"]);
  await using never = startUpstream(({ query, reply }) => reply(cut(query)), {
    tcp: true,
  });
  await assertRejects(
    () => ask([never.server]),
    ExchangeError,
    `${never.server.name} sends a reply that cannot be read (a record's data runs past the end), and over TCP the reply is of no use: a record's data runs past the end`,
  );
  await assertRejects(
    () => ask([never.server], { patience: 30 }),
    ExchangeError,
    "cannot be read",
  );
});

Deno.test("a query is replied to once: replies that are repeated set nothing in motion", async () => {
  await using server = startUpstream(async ({ query, reply }) => {
    if (query.additionals.length === 0) return reply(answer(query));
    for (let i = 0; i < 50; i++) await reply(failure(query, Rcode.FORMERR));
  });
  assertEquals(addresses(await ask([server.server])), ["192.0.2.80"]);
  assertEquals(server.received.length, 2);
});

Deno.test("FORMERR from a server that knows EDNS, or to a query without it, is a failure", async () => {
  await using knows = startUpstream(
    withoutEdns(Rcode.FORMERR, { additionals: [optRecord()] }),
  );
  assertEquals((await ask([knows.server])).rcode, Rcode.FORMERR);
  await using never = startUpstream(({ query, reply }) =>
    reply(failure(query, Rcode.FORMERR))
  );
  assertEquals((await ask([never.server])).rcode, Rcode.FORMERR);
  assertEquals(never.received.length, 2);
  assertEquals(never.server.lacks(performance.now()), []);
});

Deno.test("a response code that only an OPT record carries is no answer", async () => {
  await using server = startUpstream(({ query, reply }) =>
    reply({ ...failure(query, 0), additionals: [optRecord(1 << 24)] }) // BADVERS
  );
  await using other = startUpstream(({ query, reply }) => reply(answer(query)));
  server.server.answered(1, performance.now());
  other.server.answered(50, performance.now());
  const reply = await ask([server.server, other.server]);
  assertEquals(addresses(reply), ["192.0.2.80"]);
});
