import {
  assert,
  assertEquals,
  assertGreater,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { DO, EdnsOption, Flag, Rcode, Type } from "../../src/dns/constants.ts";
import type { Server } from "../../src/dns/exchange.ts";
import { UpstreamForwarder } from "../../src/dns/forwarder.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../src/dns/message.ts";
import { parseName } from "../../src/dns/name.ts";
import { QueryReader } from "../../src/dns/query.ts";
import { answer, startUpstream } from "./upstream.ts";

const OPT = {
  name: new Uint8Array(1),
  type: Type.OPT,
  class: 4096,
  ttl: DO,
  rdata: new Uint8Array(0),
};

function forwarderTo(
  servers: Server[],
  isSelf: (server: Server) => boolean = () => false,
): UpstreamForwarder {
  return new UpstreamForwarder(() => Promise.resolve(servers), isSelf);
}

/** What a client that asks for that name gets. */
async function forward(
  forwarder: UpstreamForwarder,
  parts: Partial<Message> = {},
  limit = 1232,
): Promise<Message> {
  const packet = encodeMessage({
    id: 7,
    flags: Flag.RD | Flag.CD,
    opcode: 0,
    rcode: 0,
    questions: [{ name: parseName("Example.NET"), type: Type.A, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
    ...parts,
  });
  const query = new QueryReader();
  query.read(packet);
  return decodeMessage(await forwarder.forward(packet, query, limit));
}

/** A port nobody listens on. */
function deadServer(): Server {
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return { address: "127.0.0.1", port };
}

Deno.test("the client gets upstream's answer under its own ID, without what was not validated here", async () => {
  await using upstream = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  const response = await forward(forwarderTo([upstream.server]));
  assertEquals([response.id, response.rcode], [7, Rcode.NOERROR]);
  assertEquals(response.flags, Flag.QR | Flag.RA | Flag.RD | Flag.CD);
  assertEquals(response.answers.map(({ rdata }) => [...rdata]), [[
    192,
    0,
    2,
    80,
  ]]);
  assertEquals(response.additionals, []);
});

Deno.test("upstream over IPv6 is asked over IPv6", async () => {
  await using upstream = startUpstream(
    ({ query, reply }) => reply(answer(query)),
    "::1",
  );
  assertEquals(
    (await forward(forwarderTo([upstream.server]))).answers.length,
    1,
  );
});

Deno.test("each query has a source port and an ID of its own, and neither follows from the last (RFC 5452)", async () => {
  await using upstream = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  const forwarder = forwarderTo([upstream.server]);
  for (let i = 0; i < 20; i++) await forward(forwarder);
  const ids = upstream.received.map(({ query }) => query.id),
    ports = upstream.received.map(({ port }) => port);
  assertGreater(new Set(ids).size, 15);
  assertGreater(new Set(ports).size, 15);
  const steps = (values: number[]) =>
    new Set(values.slice(1).map((value, i) => value - values[i]));
  assertGreater(steps(ids).size, 10);
  assertGreater(steps(ports).size, 10);
});

Deno.test("EDNS is hop by hop: DO goes up, an Extended DNS Error comes down, other options do not (RFC 6891)", async () => {
  const options = (...all: number[][]) => Uint8Array.from(all.flat());
  const ede = [0, EdnsOption.EXTENDED_ERROR, 0, 3, 0, 22, 33],
    nsid = [0, EdnsOption.NSID, 0, 1, 9];
  await using upstream = startUpstream(({ query, reply }) =>
    reply(
      answer(query, undefined, {
        additionals: [{ ...OPT, rdata: options(nsid, ede) }],
      }),
    )
  );
  const response = await forward(forwarderTo([upstream.server]), {
    additionals: [OPT],
  });
  assertEquals(response.additionals, [{
    ...OPT,
    class: 1232,
    rdata: Uint8Array.from(ede),
  }]);
  const [opt] = upstream.received[0].query.additionals;
  assertEquals([opt.type, opt.class, opt.ttl], [Type.OPT, 1232, DO]);
});

Deno.test("only a packet from the server, with the ID and the question, is taken for its reply (RFC 5452)", async () => {
  const stranger = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  await using upstream = startUpstream(async ({ query, reply }) => {
    const other = { ...query.questions[0], name: parseName("evil.example") };
    await reply(answer(query, "6.6.6.1"), stranger);
    await reply(answer({ ...query, id: query.id ^ 1 }, "6.6.6.2"));
    await reply(answer({ ...query, questions: [other] }, "6.6.6.3"));
    await reply(answer(query, "6.6.6.4", { flags: Flag.RD })); // a query
    await reply(answer(query));
  });
  const response = await forward(forwarderTo([upstream.server]));
  assertEquals(response.answers.map(({ rdata }) => [...rdata]), [[
    192,
    0,
    2,
    80,
  ]]);
  stranger.close();
});

Deno.test("where one server is silent the next one is asked, and first from then on", async () => {
  await using upstream = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  const forwarder = forwarderTo([deadServer(), upstream.server]);
  assertEquals((await forward(forwarder)).rcode, Rcode.NOERROR);
  const before = upstream.received.length;
  assertEquals((await forward(forwarder)).rcode, Rcode.NOERROR);
  assertEquals(upstream.received.length, before + 1);
});

Deno.test("a packet that is lost is sent again", async () => {
  let lost = 0;
  await using upstream = startUpstream(({ query, reply }) =>
    lost++ === 0 ? undefined : reply(answer(query))
  );
  assertEquals(
    (await forward(forwarderTo([upstream.server]))).answers.length,
    1,
  );
  const [first, second] = upstream.received;
  assertNotEquals(first.query.id, second.query.id);
});

Deno.test("a server that refuses or fails is passed over, and what it said is told when all do", async () => {
  const failing = (
    { query, reply }: Parameters<Parameters<typeof startUpstream>[0]>[0],
  ) => reply(answer(query, undefined, { rcode: Rcode.REFUSED, answers: [] }));
  await using first = startUpstream(failing);
  await using second = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  assertEquals(
    (await forward(forwarderTo([first.server, second.server]))).rcode,
    Rcode.NOERROR,
  );
  assertEquals(
    (await forward(forwarderTo([first.server]))).rcode,
    Rcode.REFUSED,
  );
});

Deno.test("NXDOMAIN is an answer and no failure", async () => {
  await using first = startUpstream(({ query, reply }) =>
    reply(answer(query, undefined, { rcode: Rcode.NXDOMAIN, answers: [] }))
  );
  await using second = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  assertEquals(
    (await forward(forwarderTo([first.server, second.server]))).rcode,
    Rcode.NXDOMAIN,
  );
  assertEquals(second.received.length, 0);
});

Deno.test("this server itself is never asked", async () => {
  await using self = startUpstream(() => {});
  const forwarder = forwarderTo([self.server], () => true);
  await assertRejects(() => forward(forwarder), Error, "no upstream server");
  assertEquals(self.received.length, 0);
});

Deno.test("a query that waits when the forwarder is closed fails with the reason", async () => {
  const asked = Promise.withResolvers<void>();
  await using silent = startUpstream(() => asked.resolve());
  const forwarder = forwarderTo([silent.server]);
  const waiting = assertRejects(
    () => forward(forwarder),
    Error,
    "shutting down",
  );
  await asked.promise;
  forwarder.close(new Error("shutting down"));
  await waiting;
  await assertRejects(() => forward(forwarder), Error, "shutting down");
});

Deno.test("an answer larger than the client takes is truncated for it", async () => {
  await using upstream = startUpstream(({ query, reply }) => {
    const [record] = answer(query).answers;
    const answers = Array.from(
      { length: 40 },
      (_, i) => ({ ...record, rdata: Uint8Array.of(192, 0, 2, i) }),
    );
    return reply(answer(query, undefined, { answers }));
  });
  const cut = await forward(forwarderTo([upstream.server]), {}, 512);
  assertEquals(cut.flags & Flag.TC, Flag.TC);
  assert(
    (await forward(forwarderTo([upstream.server]), {}, 1232)).answers.length ===
      40,
  );
});

Deno.test("unknown types pass as they are (RFC 3597)", async () => {
  const rdata = Uint8Array.of(1, 2, 3, 0xc0, 12);
  await using upstream = startUpstream(({ query, reply }) => {
    const [record] = answer(query).answers;
    return reply(
      answer(query, undefined, {
        answers: [{ ...record, type: 65280, rdata }],
      }),
    );
  });
  const questions = [{ name: parseName("example.net"), type: 65280, class: 1 }];
  const response = await forward(forwarderTo([upstream.server]), { questions });
  assertEquals(response.answers[0].rdata, rdata);
});
