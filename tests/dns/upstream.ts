/**
 * An upstream server for tests: a real UDP socket on loopback whose replies the test writes.
 *
 * @module
 */
import {
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../src/dns/message.ts";
import type { Server } from "../../src/dns/exchange.ts";
import { Flag, Type } from "../../src/dns/constants.ts";

/** What the test's handler may do with a query. */
export interface Received {
  query: Message;
  /** The source port it came from. */
  port: number;
  /** Sends a reply; `socket` is another one to send it from. */
  reply(message: Message, socket?: Deno.DatagramConn): Promise<void>;
}

export interface Upstream extends AsyncDisposable {
  server: Server;
  received: Received[];
}

/** An answer to a query with one A record. */
export function answer(
  query: Message,
  address = "192.0.2.80",
  parts: Partial<Message> = {},
): Message {
  return {
    ...query,
    flags: Flag.QR | Flag.RD | Flag.RA | Flag.AD,
    answers: [{
      name: query.questions[0].name,
      type: Type.A,
      class: 1,
      ttl: 300,
      rdata: Uint8Array.from(address.split("."), Number),
    }],
    additionals: [],
    ...parts,
  };
}

export function startUpstream(
  handle: (received: Received) => unknown,
  hostname = "127.0.0.1",
): Upstream {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const received: Received[] = [];
  const loop = (async () => {
    for await (const [packet, peer] of socket) {
      const each: Received = {
        query: decodeMessage(packet),
        port: (peer as Deno.NetAddr).port,
        async reply(message, from = socket) {
          await from.send(encodeMessage(message), peer);
        },
      };
      received.push(each);
      await handle(each);
    }
  })();
  return {
    server: { address: hostname, port: (socket.addr as Deno.NetAddr).port },
    received,
    async [Symbol.asyncDispose]() {
      socket.close();
      await loop;
    },
  };
}
