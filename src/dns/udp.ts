/**
 * DNS over UDP: one socket of `Deno.listenDatagram`.
 *
 * The loop never waits for a send, and reads into one buffer again and again: a packet is done with, or copied, before
 * the next one is received. What else has come in the meantime is taken in batches (udp_batch.ts) where that works.
 *
 * @module
 */
import { log } from "../log.ts";
import { MAX_MESSAGE, MAX_UDP_PAYLOAD } from "./constants.ts";
import { BATCH, UdpBatch } from "./udp_batch.ts";
import { KnownPeer, type Peer } from "./peer.ts";
import type { Responder } from "./responder.ts";
import type { Transport } from "./transport.ts";

/** How many batches follow one packet at the most, so that everything else gets its turn under any load. */
const MAX_BATCHES = 4;
/** How many responses may be on their way to the kernel, each in a buffer of its own; any more are dropped. */
const MAX_SENDING = 256;

/** A UDP socket that is served. */
export class UdpServer implements Transport {
  readonly name = "udp";
  readonly #socket: Deno.DatagramConn;
  readonly #responder: Responder;
  /** Buffers that no send is reading, and how many there are in all. */
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #buffers = 0;
  readonly #batch: UdpBatch | undefined;
  #draining = false;
  #closed = false;

  /** Binds the socket; throws what `Deno.listenDatagram` throws. Port 0 lets the system choose. */
  constructor(responder: Responder, hostname: string, port: number) {
    this.#responder = responder;
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port });
    try {
      this.#batch = new UdpBatch(this.address);
    } catch (error) {
      log("dns").info(`packets are taken one at a time: ${error}`);
    }
  }

  /** Where it listens. */
  get address(): Deno.NetAddr {
    return this.#socket.addr as Deno.NetAddr;
  }

  /** Serves until {@linkcode UdpServer.close}. */
  async serve(): Promise<void> {
    const buffer = new Uint8Array(MAX_MESSAGE);
    while (!this.#closed) {
      try {
        const [packet, peer] = await this.#socket.receive(buffer);
        this.#handle(packet, new KnownPeer(peer as Deno.NetAddr));
        this.#takeWaiting();
      } catch (error) {
        if (this.#closed) return;
        log("dns").warn(`receiving over UDP failed: ${error}`);
        // Whatever it is, it must not become a busy loop.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  #takeWaiting(): void {
    if (this.#batch === undefined) return;
    for (let i = 0; i < MAX_BATCHES; i++) {
      if (this.#batch.run(this.#respond) < BATCH) return;
    }
  }

  #handle(packet: Uint8Array, peer: Peer): void {
    const buffer = this.#free.pop() ?? this.#newBuffer();
    if (buffer === undefined) return; // the kernel takes no more: the client will ask again
    const length = this.#respond(packet, buffer, peer);
    if (length <= 0) this.#free.push(buffer);
    else this.#send(buffer.subarray(0, length), peer, buffer);
  }

  #newBuffer(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#buffers === MAX_SENDING) return undefined;
    this.#buffers++;
    return new Uint8Array(MAX_UDP_PAYLOAD);
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
    if (!this.#closed) this.#send(response, peer);
  }

  #send(
    response: Uint8Array,
    peer: Peer,
    buffer?: Uint8Array<ArrayBuffer>,
  ): void {
    const done = () => {
      if (buffer !== undefined) this.#free.push(buffer);
    };
    const { hostname, port } = peer;
    this.#socket.send(response, { transport: "udp", hostname, port }).then(
      done,
      (error) => {
        done();
        // A client that cannot be reached, or a port that is no port, is that client's trouble.
        if (!this.#closed) {
          log("dns").debug(
            `sending to ${hostname}#${port} failed: ${error}`,
          );
        }
      },
    );
  }

  /** Takes no more queries; responses that are still to come are sent. */
  drain(): void {
    this.#draining = true;
  }

  /** Lets go of the port. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}
