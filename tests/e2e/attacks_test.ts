/**
 * What strangers may try against the whole program, from addresses of their own on loopback.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Rcode } from "../../src/dns/wire/constants.ts";
import { decodeMessage, type Message } from "../../src/dns/wire/message.ts";
import { formatName } from "../../src/dns/wire/name.ts";
import { clientQuery } from "../dns/queries.ts";
import { answer, startUpstream } from "../dns/upstream.ts";
import { until } from "../until.ts";
import { canDig, Jitsu } from "./harness.ts";

/** A unikernel that nobody asks for: there must be one. */
const CONFIG = "dns=www.example,ip=127.0.0.2,name=www,command=sleep infinity";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !canDig, fn });
}

/** A client with an address of its own that sends what it likes, and keeps what comes back. */
class Client implements AsyncDisposable {
  readonly received: Message[] = [];
  readonly #socket: Deno.DatagramConn;
  readonly #server: Deno.NetAddr;
  readonly #reading: Promise<void>;
  #sent = 0;

  constructor(hostname: string, { address, port }: Jitsu) {
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    this.#server = { transport: "udp", hostname: address, port };
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    for await (const [packet] of this.#socket) {
      this.received.push(decodeMessage(packet));
    }
  }

  async send(name: string): Promise<void> {
    const id = this.#sent++ & 0xffff;
    const { packet } = clientQuery(name, undefined, { id });
    await this.#socket.send(packet as Uint8Array<ArrayBuffer>, this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#reading;
  }
}

test("a client that asks for thousands of names of a silent server takes no answer from another", async () => {
  await using upstream = startUpstream(({ query, reply }) => {
    const name = formatName(query.questions[0].name).toLowerCase();
    if (!name.endsWith(".silent.example.")) return reply(answer(query));
  });
  await using jitsu = await Jitsu.start(
    "--backend=process",
    `--forwarder=${upstream.server.name}`,
    CONFIG,
  );
  await using attacker = new Client("127.0.1.1", jitsu);
  await using client = new Client("127.0.2.1", jitsu);
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 50; i++) {
      await attacker.send(`${round}-${i}.silent.example`);
    }
    await client.send(`${round}.healthy.example`);
    await until("the client's answer", () => client.received.length > round);
  }
  assertEquals(
    client.received.map(({ rcode, answers }) => [rcode, answers.length]),
    Array(60).fill([Rcode.NOERROR, 1]),
  );
  await jitsu.logged(/all places for questions to upstream servers are taken/);
});
