import { assertEquals } from "@std/assert";
import { Flag, Type } from "../../../src/dns/wire/constants.ts";
import { encodeMessage } from "../../../src/dns/wire/message.ts";
import { parseName } from "../../../src/dns/wire/name.ts";
import type { Responder } from "../../../src/dns/serve/responder.ts";
import { UdpServer } from "../../../src/dns/serve/udp.ts";

/** Clients, and how many queries each of them has in one burst: fewer than its own socket holds the answers to. */
const CLIENTS = 10, QUERIES = 50;

Deno.test("a burst of 500 queries that comes before anything is read is answered whole", async () => {
  const echo = {
    respond(packet: Uint8Array, out: Uint8Array) {
      out.set(packet);
      return packet.length;
    },
  } as unknown as Responder;
  const server = new UdpServer("127.0.0.1", 0);
  const clients = Array.from(
    { length: CLIENTS },
    () =>
      Deno.listenDatagram({
        transport: "udp",
        hostname: "127.0.0.1",
        port: 0,
      }),
  );
  const query = encodeMessage({
    ...{ id: 7, flags: Flag.RD, opcode: 0, rcode: 0 },
    questions: [{ name: parseName("www.test"), type: Type.A, class: 1 }],
    ...{ answers: [], authorities: [], additionals: [] },
  });
  for (const client of clients) {
    for (let i = 0; i < QUERIES; i++) await client.send(query, server.address);
  }
  server.serve(echo);
  const answered = clients.map(() => 0);
  const all = Promise.all(clients.map(async (client, which) => {
    while (answered[which] < QUERIES) {
      await client.receive();
      answered[which]++;
    }
  }));
  // What was lost never comes: to wait for it ends here.
  let timer;
  const patience = new Promise((resolve) =>
    timer = setTimeout(resolve, 20_000)
  );
  await Promise.race([all, patience]);
  clearTimeout(timer);
  await server.close();
  for (const client of clients) client.close();
  await Promise.allSettled([all]);
  assertEquals(answered, clients.map(() => QUERIES));
});
