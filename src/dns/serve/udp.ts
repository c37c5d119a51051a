/**
 * DNS over UDP: one socket of `Deno.listenDatagram`.
 *
 * The loop never waits for a send, and reads into one buffer again and again: a packet is done with, or copied, before
 * the next one is received. What else has come in the meantime is taken in batches (udp_batch.ts) where that works.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { log } from "../../log.ts";
import { MAX_MESSAGE, MAX_UDP_PAYLOAD } from "../wire/constants.ts";
import { libc } from "../../ffi/libc.ts";
import { findSocket } from "../../net/mmsg.ts";
import { KnownPeer, type Peer } from "../../net/peer.ts";
import type { Responder } from "./responder.ts";
import type { QueryReader } from "../wire/query.ts";
import { udpLimit } from "../wire/response.ts";
import type { Transport } from "../wire/transport.ts";
import type { BoundEndpoint } from "./endpoint.ts";
import { BATCH, UdpBatch } from "../../net/udp_batch.ts";
import { enlargeReceiveBuffer } from "../../net/receive_buffer.ts";
import { UdpSender } from "./udp_sender.ts";
import { delay } from "../../wait.ts";

/** How many batches are answered before everything else gets its turn, under any load. */
const MAX_BATCHES = 4;
/** How many responses may be with Deno, which waits until the kernel takes them; any more are dropped. */
const MAX_SENDING = 256;

/** A UDP socket that is served. */
export class UdpServer implements Transport, BoundEndpoint {
  readonly label = "";
  readonly verified = false;
  readonly #socket: Deno.DatagramConn;
  #responder!: Responder;
  readonly #batch: UdpBatch | undefined;
  readonly #sender: UdpSender | undefined;
  #served: Promise<void> = Promise.resolve();
  #sending = 0;
  #draining = false;
  #closed = false;

  /** Binds the socket; throws what `Deno.listenDatagram` throws. Port 0 lets the system choose. */
  constructor(hostname: string, port: number) {
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port });
    try {
      const c = libc(), fd = findSocket(c, this.address);
      enlargeReceiveBuffer(c, fd);
      this.#batch = new UdpBatch(c, fd, MAX_UDP_PAYLOAD);
      this.#sender = new UdpSender(
        c,
        fd,
        this.address.hostname.includes(":"),
        (packet, peer) => this.#sendAlone(packet, peer),
      );
    } catch (error) {
      log("dns").info(`packets are taken one at a time: ${error}`);
    }
  }

  /** Where it listens. */
  get address(): Deno.NetAddr {
    return this.#socket.addr as Deno.NetAddr;
  }

  limit(query: QueryReader): number {
    return udpLimit(query);
  }

  serve(responder: Responder): void {
    this.#responder = responder;
    this.#served = this.#serve();
  }

  async #serve(): Promise<void> {
    const buffer = new Uint8Array(MAX_MESSAGE);
    const response = new Uint8Array(MAX_UDP_PAYLOAD);
    while (!this.#closed) {
      try {
        const [packet, from] = await this.#socket.receive(buffer);
        const peer = new KnownPeer(from as Deno.NetAddr);
        const length = this.#respond(packet, response, peer);
        if (length > 0) this.send(response.subarray(0, length), peer);
        // While packets come in as fast as this, waiting for the next one would cost more than to look for it.
        while (this.#takeWaiting()) await nextTurn();
      } catch (error) {
        if (this.#closed) return;
        log("dns").warn(`receiving over UDP failed: ${error}`);
        // Whatever it is, it must not become a busy loop.
        await delay(10);
      }
    }
  }

  /** Answers what waits in the kernel; returns whether there was anything. */
  #takeWaiting(): boolean {
    if (this.#batch === undefined || this.#closed) return false;
    let batches = 0;
    while (batches < MAX_BATCHES) {
      const count = this.#batch.run(this.#respond);
      if (count > 0) batches++;
      if (count < BATCH) break;
    }
    return batches > 0;
  }

  #respond = (packet: Uint8Array, out: Uint8Array, peer: Peer): number => {
    if (this.#draining) return 0;
    try {
      return this.#responder.respond(packet, out, this, peer);
    } catch (error) {
      log("dns").error(`a query could not be answered: ${error}`);
      return 0;
    }
  };

  /** Sends a response that was not given at once. */
  send(response: Uint8Array, peer: Peer): void {
    if (this.#closed) return;
    if (this.#sender !== undefined) this.#sender.send(response, peer);
    else this.#sendAlone(response.slice(), peer);
  }

  async #sendAlone(response: Uint8Array, peer: Peer): Promise<void> {
    if (this.#sending === MAX_SENDING) return; // the client will ask again
    const { hostname, port } = peer;
    this.#sending++;
    try {
      await this.#socket.send(response, { transport: "udp", hostname, port });
    } catch (error) {
      // A client that cannot be reached, or a port that is no port, is that client's trouble.
      if (this.#closed) return;
      log("dns").debug(`sending to ${hostname}#${port} failed: ${error}`);
    } finally {
      this.#sending--;
    }
  }

  drain(): void {
    this.#draining = true;
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#sender?.flush();
      this.#closed = true;
      this.#socket.close();
    }
    await this.#served;
  }
}

/** Resolves when everything else has had its turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
