/**
 * An upstream server for tests: real sockets on loopback whose replies the test writes.
 *
 * @module
 */
import {
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../src/dns/wire/message.ts";
import { Upstream } from "../../src/dns/forward/upstream.ts";
import { Flag, Type } from "../../src/dns/wire/constants.ts";

/** What the test's handler may do with a query. */
export interface Received {
  query: Message;
  transport: "udp" | "tcp";
  /** The source port it came from. */
  port: number;
  /** Sends a reply, a message or octets; over UDP, `socket` is another one to send it from. */
  reply(
    message: Message | Uint8Array,
    socket?: Deno.DatagramConn,
  ): Promise<void>;
}

export interface ScriptedUpstream extends AsyncDisposable {
  /** How the program knows it: fresh, nothing is known of it. */
  server: Upstream;
  received: Received[];
  /** The transports that queries came by, in order. */
  readonly transports: string[];
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

/** A response without records. */
export function failure(query: Message, rcode: number): Message {
  return answer(query, undefined, { rcode, answers: [] });
}

/** Starts one. Without `tcp` nobody listens on its TCP port. */
export function startUpstream(
  handle: (received: Received) => unknown,
  { hostname = "127.0.0.1", tcp = false } = {},
): ScriptedUpstream {
  const { socket, listener } = bind(hostname, tcp);
  const received: Received[] = [];
  const take = async (each: Received) => {
    received.push(each);
    await handle(each);
  };
  const loops = [serveUdp(socket, take)];
  if (listener !== undefined) loops.push(serveTcp(listener, take));
  return {
    server: new Upstream({
      address: hostname,
      port: (socket.addr as Deno.NetAddr).port,
    }),
    received,
    get transports() {
      return received.map(({ transport }) => transport);
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      listener?.close();
      await Promise.all(loops);
    },
  };
}

/** A UDP port, and the TCP port of the same number. */
function bind(hostname: string, tcp: boolean) {
  for (;;) {
    const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    const { port } = socket.addr as Deno.NetAddr;
    try {
      return {
        socket,
        listener: tcp ? Deno.listen({ hostname, port }) : undefined,
      };
    } catch (error) {
      socket.close();
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

const octetsOf = (message: Message | Uint8Array) =>
  message instanceof Uint8Array ? message : encodeMessage(message);

async function serveUdp(
  socket: Deno.DatagramConn,
  take: (received: Received) => Promise<void>,
): Promise<void> {
  for await (const [packet, peer] of socket) {
    await take({
      query: decodeMessage(packet),
      transport: "udp",
      port: (peer as Deno.NetAddr).port,
      async reply(message, from = socket) {
        await from.send(octetsOf(message), peer);
      },
    });
  }
}

async function serveTcp(
  listener: Deno.Listener,
  take: (received: Received) => Promise<void>,
): Promise<void> {
  const connections: Promise<void>[] = [];
  for await (const connection of listener) {
    connections.push(serveConnection(connection as Deno.TcpConn, take));
  }
  await Promise.all(connections);
}

/** Every query on a connection, until the other side closes it. */
async function serveConnection(
  connection: Deno.TcpConn,
  take: (received: Received) => Promise<void>,
): Promise<void> {
  let buffer = new Uint8Array(0);
  try {
    for await (const chunk of connection.readable) {
      buffer = Uint8Array.of(...buffer, ...chunk);
      while (buffer.length >= 2) {
        const end = 2 + (buffer[0] << 8 | buffer[1]);
        if (buffer.length < end) break;
        const query = decodeMessage(buffer.subarray(2, end));
        buffer = buffer.slice(end);
        await take({
          query,
          transport: "tcp",
          port: (connection.remoteAddr as Deno.NetAddr).port,
          async reply(message) {
            const octets = octetsOf(message);
            const framed = new Uint8Array(2 + octets.length);
            framed.set([octets.length >> 8, octets.length]);
            framed.set(octets, 2);
            for (let at = 0; at < framed.length;) {
              at += await connection.write(framed.subarray(at));
            }
          },
        });
      }
    }
  } catch {
    // the other side has gone: what it asked is on record
  }
}

/** A server of the next port that nobody listens on. */
export function deadServer(): Upstream {
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return new Upstream({ address: "127.0.0.1", port });
}
