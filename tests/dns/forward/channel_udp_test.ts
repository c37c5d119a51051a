import { assert, assertEquals, assertGreater } from "@std/assert";
import { HEADER_SIZE } from "../../../src/dns/wire/constants.ts";
import { decodeMessage, encodeMessage } from "../../../src/dns/wire/message.ts";
import { formatName } from "../../../src/dns/wire/name.ts";
import {
  upstreamQuery,
  upstreamQuestion,
} from "../../../src/dns/forward/upstream_query.ts";
import {
  type Ticket,
  UpstreamSockets,
} from "../../../src/dns/forward/channel_udp.ts";
import { until } from "../../until.ts";
import { clientQuery } from "../queries.ts";
import { answer, type ScriptedUpstream, startUpstream } from "../upstream.ts";

/** Makes queries for a name. */
function queriesFor(name: string) {
  const { packet, query } = clientQuery(name);
  const question = upstreamQuestion(packet, query);
  return () => upstreamQuery(question, true);
}

/** Sends that many queries, as fast as they are received: the kernel has room for some only. */
async function sendMany(
  count: number,
  { received }: ScriptedUpstream,
  send: (i: number) => void,
): Promise<void> {
  const before = received.length;
  for (let i = 0; i < count; i++) {
    send(i);
    if (i % 50 === 49 || i === count - 1) {
      await until("they have come", () => received.length === before + i + 1);
    }
  }
}

Deno.test("up to a rate each query has a port of its own, beyond it they share some, and each gets its own reply (RFC 5452 section 9.2)", async () => {
  await using upstream = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  const sockets = new UpstreamSockets(() => 0);
  const tickets: Ticket[] = [], replied: string[] = [];
  const began = performance.now();
  await sendMany(1000, upstream, (i) => {
    const name = `host${i}.example`;
    tickets.push(
      sockets.send(upstream.server, queriesFor(name), (reply, query) => {
        assertEquals(reply[0] << 8 | reply[1], query[0] << 8 | query[1]);
        const [question] = decodeMessage(reply).questions;
        assertEquals(question, decodeMessage(query).questions[0]);
        replied.push(name);
      }),
    );
  });
  await until("all replies", () => replied.length === 1000);
  assertEquals(new Set(replied).size, 1000);
  const own = new Set<number>(), shared = new Set<number>();
  for (const { query: { questions: [{ name }] }, port } of upstream.received) {
    const i = Number(/[0-9]+/.exec(formatName(name))![0]);
    (i < 256 ? own : shared).add(port);
  }
  assertEquals(own.size, 256);
  assertGreater(shared.size, 48); // of 64, by chance all
  const seconds = Math.ceil((performance.now() - began) / 1000);
  assert(shared.size <= 64 * seconds, "each is replaced after a second");
  assert(shared.isDisjointFrom(own));
  for (const ticket of tickets) ticket.release();
  sockets.close();
});

Deno.test("queries that are under way on one port have different IDs", async () => {
  await using upstream = startUpstream(() => {});
  const sockets = new UpstreamSockets(() => 0);
  const make = queriesFor("a.example");
  await sendMany(256, upstream, () => {
    sockets.send(upstream.server, make, () => {}).release();
  });
  const tickets: Ticket[] = [];
  await sendMany(200, upstream, () => {
    let id = 0;
    const count = () => {
      const query = make();
      query.set([0, ++id]);
      return query;
    };
    tickets.push(sockets.send(upstream.server, count, () => {}));
  });
  const used = upstream.received.slice(256)
    .map(({ port, query: { id } }) => `${port} ${id}`);
  assertEquals(new Set(used).size, 200);
  assert(used.some((each) => each.endsWith(" 2")));
  for (const ticket of tickets) ticket.release();
  sockets.close();
});

Deno.test("shared ports are other ones after a second", async () => {
  await using upstream = startUpstream(({ query, reply }) =>
    reply(answer(query))
  );
  let now = 0;
  const sockets = new UpstreamSockets(() => now);
  const make = queriesFor("a.example");
  const portOf = async () => {
    const got = Promise.withResolvers<void>();
    const ticket = sockets.send(upstream.server, make, () => got.resolve());
    await got.promise;
    ticket.release();
    return upstream.received.at(-1)!.port;
  };
  const round = async () => {
    for (let i = 0; i < 256; i++) await portOf();
    const ports = new Set<number>();
    for (let i = 0; i < 100; i++) ports.add(await portOf());
    return ports;
  };
  const first = await round();
  await new Promise((resolve) => setTimeout(resolve, 1100));
  now += 1000;
  const second = await round();
  sockets.close();
  // The system may choose a port twice, by chance.
  assert(first.intersection(second).size < 3);
});

Deno.test("a packet counts only from the server that was asked, while it is waited for", async () => {
  const stranger = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  await using upstream = startUpstream(async ({ query, reply }) => {
    await reply(answer(query, "6.6.6.6"), stranger);
    await reply(encodeMessage(answer(query)).subarray(0, 1));
    await reply(new Uint8Array(0));
    await reply(answer(query));
    await reply(answer(query));
  });
  const sockets = new UpstreamSockets();
  const replies: Uint8Array[] = [];
  const first = Promise.withResolvers<void>();
  const ticket = sockets.send(upstream.server, queriesFor("a.example"), (
    reply,
  ) => {
    replies.push(reply.slice());
    ticket.release();
    first.resolve();
  });
  await first.promise;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(replies.length, 1);
  assertGreater(replies[0].length, HEADER_SIZE);
  assertEquals([...decodeMessage(replies[0]).answers[0].rdata], [
    192,
    0,
    2,
    80,
  ]);
  stranger.close();
});
