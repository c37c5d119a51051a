/**
 * Hostile packets against the whole program, over UDP and TCP on loopback. Its upstream server is ours too, and hostile.
 *
 * @module
 */
import { Jitsu } from "../e2e/harness.ts";
import { decodeMessage, encodeMessage } from "../../src/dns/wire/message.ts";
import { Flag, Type } from "../../src/dns/wire/constants.ts";
import { parseName } from "../../src/dns/wire/name.ts";
import { checkResponse, isAnswerable, must } from "./check.ts";
import { mutate } from "./mutate.ts";
import type { Random } from "./random.ts";

/** Milliseconds that a good query's response may take before the server counts as dead. */
const PATIENCE = 10_000;
/** TCP connections at a time: fewer than the server takes from one client. */
const MAX_CONNECTIONS = 40;
/** www.jitsu.test IN A, whose machine is ready; the ID is 0. */
const GOOD_QUERY = encodeMessage({
  id: 0,
  flags: Flag.RD,
  opcode: 0,
  rcode: 0,
  questions: [{ name: parseName("www.jitsu.test"), type: Type.A, class: 1 }],
  answers: [],
  authorities: [],
  additionals: [],
});

function listen(): Deno.DatagramConn {
  return Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
}

/** An upstream server whose replies are hostile, but for one now and then that is good. */
class Upstream implements Disposable {
  readonly #socket = listen();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.#serve();
  }

  get port(): number {
    return (this.#socket.addr as Deno.NetAddr).port;
  }

  async #serve(): Promise<void> {
    for await (const [query, peer] of this.#socket) {
      const reply = query.slice();
      reply[2] |= 0x80; // QR
      const packets = [
        mutate([reply], this.#random),
        mutate([reply], this.#random),
        reply,
      ];
      for (const packet of packets.slice(0, 1 + this.#random.below(3))) {
        // Most have the right ID: they get further.
        if (this.#random.below(8) > 0) {
          packet.set(query.subarray(0, Math.min(2, packet.length)));
        }
        await this.#socket.send(packet, peer).catch(() => {});
      }
      if (this.#random.below(2)) {
        await this.#socket.send(reply, peer).catch(() => {});
      }
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

/** The program under test. */
export class Server implements AsyncDisposable {
  readonly #jitsu: Jitsu;
  readonly #upstream: Upstream;
  readonly #socket = listen();
  /** For good queries alone. */
  readonly #goodSocket = listen();
  readonly #responses: Uint8Array[] = [];
  /** TCP connections that are open, and what was wrong on those that ended. */
  readonly #connections = new Set<Promise<void>>();
  readonly #wrongs: unknown[] = [];
  /** The number of the last hostile packet, which is its ID too. */
  #sent = 0;
  #goodId = 0;
  /** Called when the good query sent last is answered. */
  #answered = () => {};
  /** How many packets that call for a response got one, and how many there were. */
  answered = 0;
  answerable = 0;

  static async start(random: Random): Promise<Server> {
    const upstream = new Upstream(random);
    const jitsu = await Jitsu.start(
      ...[
        "--backend=process",
        "--delay=0",
        "--forwarder=127.0.0.1",
      ],
      `--port=${upstream.port}`,
      // A cache that is full soon: what grows after that is a leak.
      ...["--rate-limit=0", "--start-limit=1000000", "--cache-size=1000"],
      "dns=www.jitsu.test,dns=jitsu.test,ip=192.0.2.1,ip=2001:db8::1,name=www,command=sleep inf",
      "dns=broken.jitsu.test,ip=192.0.2.3,name=broken,command=false,wait_for_tcp=9,wait_required=1",
    );
    return new Server(jitsu, upstream);
  }

  private constructor(jitsu: Jitsu, upstream: Upstream) {
    this.#jitsu = jitsu;
    this.#upstream = upstream;
    this.#receive();
    this.#receiveGood();
  }

  /** Octets of memory that it has. */
  get rss(): number {
    const status = Deno.readTextFileSync(`/proc/${this.#jitsu.pid}/status`);
    return 1024 * Number(/^VmRSS:\s*(\d+)/m.exec(status)![1]);
  }

  async #receive(): Promise<void> {
    for await (const [packet] of this.#socket) {
      this.#responses.push(packet.slice());
    }
  }

  /** Gives a packet an ID that no other has that may still be answered. */
  #identify(packet: Uint8Array): void {
    this.#sent++;
    if (packet.length >= 2) packet.set([this.#sent >> 8, this.#sent]);
  }

  /** Sends packets over UDP and sees that what comes is right, and that a good query is answered after them. */
  async feedUdp(packets: readonly Uint8Array[]): Promise<void> {
    const sent = new Map<number, Uint8Array>();
    for (const packet of packets) {
      this.#identify(packet);
      sent.set(this.#sent & 0xffff, packet);
      if (isAnswerable(packet)) this.answerable++;
      await this.#send(this.#socket, packet);
    }
    await this.#askGoodQuery();
    for (const response of this.#responses.splice(0)) {
      this.answered++;
      const query = sent.get(response[0] << 8 | response[1]);
      // One of an earlier batch had to wait for upstream, or for its machine.
      if (query === undefined) continue;
      checkResponse(query, response, { transport: "udp", isLoopback: true });
    }
  }

  async #send(socket: Deno.DatagramConn, packet: Uint8Array): Promise<void> {
    const { address, port } = this.#jitsu;
    await socket.send(packet, { transport: "udp", hostname: address, port });
  }

  /** Waits until a good query is answered; it is asked again where the packet was lost. */
  async #askGoodQuery(): Promise<void> {
    const query = GOOD_QUERY.slice();
    this.#goodId = this.#goodId + 1 & 0xffff;
    query.set([this.#goodId >> 8, this.#goodId]);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#answered = () => resolve(true);
    const again = setInterval(() => this.#send(this.#goodSocket, query), 500);
    const tooLate = setTimeout(() => resolve(false), PATIENCE);
    await this.#send(this.#goodSocket, query);
    must(
      await promise,
      `a good query was not answered within ${PATIENCE / 1000} s`,
    );
    clearInterval(again);
    clearTimeout(tooLate);
  }

  async #receiveGood(): Promise<void> {
    for await (const [packet] of this.#goodSocket) {
      const { id, answers } = decodeMessage(packet);
      if (id === this.#goodId && answers.length === 1) this.#answered();
    }
  }

  /** Sends packets over one TCP connection, the last of them with a length that lies now and then. */
  async #converse(
    packets: readonly Uint8Array[],
    random: Random,
  ): Promise<void> {
    const { address: hostname, port } = this.#jitsu;
    using conn = await Deno.connect({ hostname, port });
    const reading = readMessages(conn);
    const sent = new Map<number, Uint8Array>();
    let lies = false;
    try {
      for (const packet of packets) {
        this.#identify(packet);
        sent.set(this.#sent & 0xffff, packet);
        lies = random.below(200) === 0;
        const length = lies ? random.u32() & 0xffff : packet.length;
        await writeAll(conn, Uint8Array.of(length >> 8, length, ...packet));
        if (lies) break;
      }
      conn.closeWrite();
    } catch {
      // It hung up on us, as it should on one that sends rubbish.
    }
    for (const response of await reading) {
      const query = sent.get(response[0] << 8 | response[1]);
      // Where the length was a lie, what follows looks like a message of its own.
      if (query === undefined && lies) continue;
      must(query !== undefined, `a response to nothing: ${response.toHex()}`);
      checkResponse(query!, response, { transport: "tcp", isLoopback: true });
    }
  }

  /**
   * Sends packets over one TCP connection beside those that are open already: what waits for a silent upstream server
   * takes seconds.
   */
  async feedTcp(packets: readonly Uint8Array[], random: Random): Promise<void> {
    const done: Promise<void> = this.#converse(packets, random)
      .catch((error) => void this.#wrongs.push(error))
      .finally(() => this.#connections.delete(done));
    this.#connections.add(done);
    while (this.#connections.size >= MAX_CONNECTIONS) {
      await Promise.race(this.#connections);
    }
    await this.#askGoodQuery();
    this.#throwWrongs();
  }

  /** Waits for all connections to end. */
  async settle(): Promise<void> {
    await Promise.all(this.#connections);
    this.#throwWrongs();
  }

  #throwWrongs(): void {
    const [wrong] = this.#wrongs.splice(0);
    if (wrong !== undefined) throw wrong;
  }

  /** Lines of its log that tell of a fault of its own. */
  get faults(): string[] {
    return this.#jitsu.log.filter((line) =>
      /internal error|could not be answered|could not be made/.test(line)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    this.#goodSocket.close();
    await this.#jitsu[Symbol.asyncDispose]();
    this.#upstream[Symbol.dispose]();
  }
}

async function writeAll(conn: Deno.TcpConn, octets: Uint8Array): Promise<void> {
  for (let at = 0; at < octets.length;) {
    at += await conn.write(octets.subarray(at));
  }
}

/** The messages that come until the other side hangs up. */
async function readMessages(conn: Deno.TcpConn): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = [];
  let rest = new Uint8Array(0);
  const buffer = new Uint8Array(65536);
  for (;;) {
    let count: number | null;
    try {
      count = await conn.read(buffer);
    } catch {
      return messages;
    }
    if (count === null) return messages;
    rest = Uint8Array.of(...rest, ...buffer.subarray(0, count));
    while (rest.length >= 2) {
      const end = 2 + (rest[0] << 8 | rest[1]);
      if (rest.length < end) break;
      messages.push(rest.slice(2, end));
      rest = rest.slice(end);
    }
  }
}
