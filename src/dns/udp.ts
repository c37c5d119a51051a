/**
 * DNS over UDP: one socket, one packet in, one packet out.
 *
 * The loop never waits for a send, and reads into one buffer again and again (a packet is done with, or copied, before
 * the next one is received), so that it costs as little as `Deno.listenDatagram` allows.
 *
 * @module
 */
import { log } from "../log.ts";
import { MAX_MESSAGE, MAX_UDP_PAYLOAD } from "./constants.ts";
import type { Responder, Transport } from "./responder.ts";

/** How many responses may be on their way to the kernel, each in a buffer of its own; any more are dropped. */
const MAX_SENDING = 256;

/** A UDP socket that is served. */
export class UdpServer implements Transport {
  readonly name = "udp";
  readonly #socket: Deno.DatagramConn;
  readonly #responder: Responder;
  /** Buffers that no send is reading. */
  readonly #free = Array.from(
    { length: MAX_SENDING },
    () => new Uint8Array(MAX_UDP_PAYLOAD),
  );
  #draining = false;
  #closed = false;

  /** Binds the socket; throws what `Deno.listenDatagram` throws. Port 0 lets the system choose. */
  constructor(responder: Responder, hostname: string, port: number) {
    this.#responder = responder;
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port });
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
        this.#handle(packet, peer as Deno.NetAddr);
      } catch (error) {
        if (this.#closed) return;
        log("dns").warn(`receiving over UDP failed: ${error}`);
        // Whatever it is, it must not become a busy loop.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  #handle(packet: Uint8Array, peer: Deno.NetAddr): void {
    if (this.#draining) return;
    const buffer = this.#free.pop();
    if (buffer === undefined) return; // the kernel takes no more: the client will ask again
    let length = 0;
    try {
      length = this.#responder.respond(packet, buffer, this, peer);
    } catch (error) {
      log("dns").error(`a query could not be answered: ${error}`);
    }
    if (length === 0) this.#free.push(buffer);
    else this.#send(buffer.subarray(0, length), peer, buffer);
  }

  /** Sends a response that was not given at once. */
  send(response: Uint8Array, peer: Deno.NetAddr): void {
    if (!this.#closed) this.#send(response, peer);
  }

  #send(
    response: Uint8Array,
    peer: Deno.NetAddr,
    buffer?: Uint8Array<ArrayBuffer>,
  ): void {
    const done = () => {
      if (buffer !== undefined) this.#free.push(buffer);
    };
    this.#socket.send(response, peer).then(done, (error) => {
      done();
      // A client that cannot be reached, or a port that is no port, is that client's trouble.
      if (!this.#closed) {
        log("dns").debug(
          `sending to ${peer.hostname}#${peer.port} failed: ${error}`,
        );
      }
    });
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
