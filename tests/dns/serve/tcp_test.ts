import { assert, assertEquals } from "@std/assert";
import { Access } from "../../../src/dns/serve/access.ts";
import { Flag, Type } from "../../../src/dns/wire/constants.ts";
import { Cookies } from "../../../src/dns/serve/cookies.ts";
import { Guard } from "../../../src/dns/serve/guard.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../../src/dns/wire/message.ts";
import { parseName } from "../../../src/dns/wire/name.ts";
import { Responder } from "../../../src/dns/serve/responder.ts";
import { listenTcp } from "../../../src/dns/serve/tcp.ts";
import { TokenBuckets } from "../../../src/dns/serve/token_buckets.ts";
import { ownAddresses } from "../../../src/net/own_addresses.ts";
import { Zone } from "../../../src/dns/zone/zone.ts";

/** An address of this host by which it looks like another host to a server that is told of no networks. */
const outside = ownAddresses().find((address) =>
  !address.startsWith("127.") && address !== "::1"
);

/** A TCP server with a name that is ready and one that is not until told. */
function startServer() {
  const now = () => performance.now();
  const slow = Promise.withResolvers<void>();
  const zone = new Zone(1);
  for (const ready of [true, false]) {
    zone.add({
      addresses: ["192.0.2.1"],
      ttl: 60,
      summonable: { ready, summon: () => slow.promise },
      usage: { note: () => {} },
    }, [parseName(ready ? "ready.test" : "slow.test")]);
  }
  const guard = new Guard({
    access: new Access([], now, () => []),
    cookies: new Cookies(() => 0),
    starts: new TokenBuckets(1, 1000, now),
    startProof: "never",
    unprovenStarts: new TokenBuckets(1, 1, now),
    maxUnproven: 4,
  });
  const server = listenTcp("::", 0, now);
  const { port } = server.address;
  server.serve(new Responder(zone, guard, undefined, now));
  return {
    server,
    slow,
    connect: (hostname = "127.0.0.1") => Deno.connect({ hostname, port }),
    async [Symbol.asyncDispose]() {
      await server.close();
    },
  };
}

function query(id: number, name: string): Uint8Array {
  const message = encodeMessage({
    id,
    flags: Flag.RD,
    opcode: 0,
    rcode: 0,
    questions: [{ name: parseName(name), type: Type.A, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
  });
  return Uint8Array.of(message.length >> 8, message.length, ...message);
}

const concat = (...parts: Uint8Array[]) =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

async function send(conn: Deno.Conn, octets: Uint8Array): Promise<void> {
  for (let at = 0; at < octets.length;) {
    at += await conn.write(octets.subarray(at));
  }
}

/** The next message; undefined when the server has hung up. */
async function receive(conn: Deno.Conn): Promise<Message | undefined> {
  const read = async (count: number) => {
    const octets = new Uint8Array(count);
    for (let at = 0; at < count;) {
      const got = await conn.read(octets.subarray(at)).catch(() => null);
      if (got === null) return undefined;
      at += got;
    }
    return octets;
  };
  const length = await read(2);
  const message = length && await read(length[0] << 8 | length[1]);
  return message && decodeMessage(message);
}

Deno.test("queries on one connection are answered as soon as each can be, not in order (RFC 7766 section 6.2.1.1)", async () => {
  await using server = startServer();
  using conn = await server.connect();
  await send(
    conn,
    concat(
      query(1, "slow.test"),
      query(2, "ready.test"),
      query(3, "ready.test"),
    ),
  );
  assertEquals([(await receive(conn))?.id, (await receive(conn))?.id], [2, 3]);
  server.slow.resolve();
  const last = await receive(conn);
  assertEquals([last?.id, last?.answers.length], [1, 1]);
});

Deno.test("a message may come in any number of pieces (RFC 7766 section 8)", async () => {
  await using server = startServer();
  using conn = await server.connect();
  for (const octet of query(7, "ready.test")) {
    await send(conn, Uint8Array.of(octet));
  }
  assertEquals((await receive(conn))?.id, 7);
  const many = Array.from({ length: 200 }, (_, i) => query(i, "ready.test"));
  const sending = send(conn, concat(...many));
  const ids = new Set<number>();
  for (let i = 0; i < 200; i++) ids.add((await receive(conn))!.id);
  await sending;
  assertEquals(ids.size, 200);
});

Deno.test("a client that closes its side gets what it asked for before the connection ends (RFC 7766 section 6.2.3)", async () => {
  await using server = startServer();
  using conn = await server.connect();
  await send(conn, query(1, "slow.test"));
  await conn.closeWrite();
  server.slow.resolve();
  assertEquals((await receive(conn))?.id, 1);
  assertEquals(await receive(conn), undefined);
});

Deno.test("less than a header ends the connection", async () => {
  await using server = startServer();
  for (const octets of [[0, 0], [0, 3, 1, 2, 3]]) {
    using conn = await server.connect();
    await send(conn, Uint8Array.from(octets));
    assertEquals(await receive(conn), undefined);
  }
});

Deno.test("what is malformed is FORMERR, and the connection goes on", async () => {
  await using server = startServer();
  using conn = await server.connect();
  const broken = query(5, "ready.test");
  broken[7] = 2; // two questions
  await send(conn, concat(broken, query(6, "ready.test")));
  assertEquals((await receive(conn))?.rcode, 1);
  assertEquals((await receive(conn))?.rcode, 0);
});

Deno.test("when one client has all connections, another is served on a new one, and the longest idle go", async () => {
  await using server = startServer();
  const conns: Deno.Conn[] = [];
  for (let i = 0; i < 256; i++) {
    const conn = await server.connect();
    await send(conn, query(i, "ready.test"));
    assert(await receive(conn));
    conns.push(conn);
  }
  await send(conns[0], query(0, "ready.test"));
  assert(await receive(conns[0]));
  using other = await server.connect("::1");
  await send(other, query(9, "ready.test"));
  assertEquals((await receive(other))?.id, 9);
  assertEquals(await receive(conns[1]), undefined);
  for (const still of [0, 255]) {
    await send(conns[still], query(still, "ready.test"));
    assertEquals((await receive(conns[still]))?.id, still);
  }
  for (const conn of conns) conn.close();
});

Deno.test({
  name:
    "who may not ask is hung up on at once, and takes no connection from others",
  ignore: outside === undefined,
  async fn() {
    await using server = startServer();
    using conn = await server.connect(outside);
    assertEquals(await receive(conn), undefined);
    assertEquals(server.server.connections, 0);
  },
});

Deno.test("who is refused is told so and hung up on, when what else he asked is answered", async () => {
  await using server = startServer();
  using conn = await server.connect();
  await send(conn, concat(query(1, "slow.test"), query(2, "www.example")));
  const refused = await receive(conn);
  assertEquals([refused?.id, refused?.rcode], [2, 5]);
  server.slow.resolve();
  assertEquals((await receive(conn))?.id, 1);
  assertEquals(await receive(conn), undefined);
});

Deno.test("a server that drains answers those who wait, and hangs up", async () => {
  await using server = startServer();
  using conn = await server.connect();
  await send(conn, concat(query(1, "slow.test"), query(2, "ready.test")));
  assertEquals((await receive(conn))?.id, 2);
  server.server.drain();
  server.slow.resolve();
  assertEquals((await receive(conn))?.id, 1);
  assertEquals(await receive(conn), undefined);
});
