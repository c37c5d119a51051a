/**
 * One question put to upstream servers over UDP: who is asked when, and which packet counts as the reply.
 *
 * A reply counts when it comes from a server that was asked, to the port that asked, with the ID and the question that
 * were sent (RFC 5452 section 9.1). Each exchange has a socket, and so a source port, of its own, and each packet an ID
 * of its own, both random.
 *
 * @module
 */
import { decodeMessage, encodeMessage, type Message } from "./message.ts";
import { Flag, Opcode, Rcode } from "./constants.ts";
import { nameKey } from "./name.ts";

/** An upstream server. */
export interface Server {
  /** IPv4 or IPv6, in canonical text form. */
  address: string;
  port: number;
}

/** `127.0.0.1#53`, as dig writes it. */
export function serverName({ address, port }: Server): string {
  return `${address}#${port}`;
}

/** The largest reply taken: servers were told less, but some do not listen. */
const MAX_REPLY = 4096;

/** What came of an exchange. */
export interface Reply {
  message: Message;
  server: Server;
}

/** Nobody gave a reply that is of use. */
export class ExchangeError extends Error {
  override name = "ExchangeError";
}

/** When to ask and to give up, in milliseconds. */
export interface Schedule {
  /** From one packet to the next. */
  interval: number;
  /** Until the exchange fails. */
  deadline: number;
}

/** One exchange. */
export async function exchange(
  query: Omit<Message, "id">,
  servers: readonly Server[],
  schedule: Schedule,
  signal: AbortSignal,
): Promise<Reply> {
  using asking = new Asking(query, servers, schedule, signal);
  return await asking.reply;
}

class Asking {
  readonly #query: Omit<Message, "id">;
  readonly #servers: readonly Server[];
  readonly #signal: AbortSignal;
  readonly #sockets = new Map<string, Deno.DatagramConn>();
  /** The IDs sent to each server, by {@linkcode serverName}. */
  readonly #asked = new Map<string, Set<number>>();
  /** Servers that have replied that they cannot help. */
  readonly #useless = new Map<string, Reply>();
  readonly #outcome = Promise.withResolvers<Reply>();
  readonly #schedule: Schedule;
  readonly #deadline: ReturnType<typeof setTimeout>;
  #next = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #done = false;

  constructor(
    query: Omit<Message, "id">,
    servers: readonly Server[],
    schedule: Schedule,
    signal: AbortSignal,
  ) {
    this.#query = query;
    this.#servers = servers;
    this.#schedule = schedule;
    this.#signal = signal;
    this.#deadline = setTimeout(() => this.#giveUp(), schedule.deadline);
    signal.addEventListener("abort", this.#abort);
    this.#askNext();
  }

  get reply(): Promise<Reply> {
    return this.#outcome.promise;
  }

  [Symbol.dispose](): void {
    this.#done = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#deadline);
    this.#signal.removeEventListener("abort", this.#abort);
    for (const socket of this.#sockets.values()) socket.close();
  }

  #abort = () => this.#outcome.reject(this.#signal.reason);

  /** Asks the next server that may still help, and the one after it when the interval is over. */
  #askNext(): void {
    clearTimeout(this.#timer);
    if (this.#done) return;
    if (this.#useless.size === this.#servers.length) return this.#giveUp();
    let server;
    do server = this.#servers[this.#next++ % this.#servers.length]; while (
      this.#useless.has(serverName(server))
    );
    this.#ask(server);
    // Twice each: a packet may be lost. Then replies are waited for until the deadline.
    if (this.#next < 2 * this.#servers.length) {
      this.#timer = setTimeout(() => this.#askNext(), this.#schedule.interval);
    }
  }

  #ask(server: Server): void {
    const id = crypto.getRandomValues(new Uint16Array(1))[0];
    const name = serverName(server);
    const ids = this.#asked.get(name) ?? new Set();
    this.#asked.set(name, ids.add(id));
    try {
      const packet = encodeMessage({ ...this.#query, id });
      this.#socketFor(server).send(packet, {
        transport: "udp",
        hostname: server.address,
        port: server.port,
      }).catch(() => {}); // no route to it: like a server that is silent, the next one is asked
    } catch (error) {
      this.#outcome.reject(
        new ExchangeError(`no socket to ask ${name} with: ${error}`),
      );
    }
  }

  #socketFor({ address }: Server): Deno.DatagramConn {
    const hostname = address.includes(":") ? "::" : "0.0.0.0";
    let socket = this.#sockets.get(hostname);
    if (socket === undefined) {
      socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
      this.#sockets.set(hostname, socket);
      this.#listen(socket);
    }
    return socket;
  }

  async #listen(socket: Deno.DatagramConn): Promise<void> {
    const buffer = new Uint8Array(MAX_REPLY);
    while (!this.#done) {
      try {
        const [packet, peer] = await socket.receive(buffer);
        this.#take(packet, peer as Deno.NetAddr);
      } catch (error) {
        if (!this.#done) this.#outcome.reject(new ExchangeError(String(error)));
        return;
      }
    }
  }

  #take(packet: Uint8Array, peer: Deno.NetAddr): void {
    const name = serverName({ address: peer.hostname, port: peer.port });
    const server = this.#servers.find((each) => serverName(each) === name);
    if (
      server === undefined ||
      !this.#asked.get(name)?.has(packet[0] << 8 | packet[1])
    ) {
      return;
    }
    let message: Message;
    try {
      message = decodeMessage(packet);
    } catch {
      return; // a forger could have sent it: the right one may follow
    }
    if (!isReplyTo(message, this.#query)) return;
    if (
      message.rcode === Rcode.NOERROR || message.rcode === Rcode.NXDOMAIN
    ) {
      this.#outcome.resolve({ message, server });
    } else if (!this.#useless.has(name)) {
      this.#useless.set(name, { message, server });
      this.#askNext();
    }
  }

  #giveUp(): void {
    // A server's own failure says more than that another one was silent.
    const [reply] = this.#useless.values();
    if (reply !== undefined) return this.#outcome.resolve(reply);
    const names = this.#servers.map(serverName).join(", ");
    this.#outcome.reject(
      new ExchangeError(
        `no reply from ${names} within ${this.#schedule.deadline / 1000} s`,
      ),
    );
  }
}

/** Whether a message is the response to what was asked; its ID is the caller's to compare. */
export function isReplyTo(
  message: Message,
  query: Omit<Message, "id">,
): boolean {
  if (
    (message.flags & Flag.QR) === 0 || message.opcode !== Opcode.QUERY ||
    message.questions.length !== 1
  ) {
    return false;
  }
  const [got] = message.questions, [asked] = query.questions;
  return got.type === asked.type && got.class === asked.class &&
    nameKey(got.name) === nameKey(asked.name);
}
