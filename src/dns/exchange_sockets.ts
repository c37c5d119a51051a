/**
 * The UDP sockets of one exchange: one for each family of addresses that is asked, on a random port.
 *
 * @module
 */
import type { Server } from "./upstream.ts";

/** The largest reply taken over UDP: servers were told less, but some do not listen. */
const MAX_REPLY = 4096;

/** What to do with a packet, which is good only until the next one comes, and with a socket that is broken. */
export interface Handler {
  take(packet: Uint8Array, peer: Deno.NetAddr): void;
  fail(error: unknown): void;
}

/** Sockets that are opened as they are needed. */
export class ExchangeSockets {
  readonly #handler: Handler;
  readonly #sockets = new Map<string, Deno.DatagramConn>();
  #closed = false;

  constructor(handler: Handler) {
    this.#handler = handler;
  }

  /** Sends a packet, if there is a way to the server. Throws what `Deno.listenDatagram` throws. */
  send(packet: Uint8Array, { address: hostname, port }: Server): void {
    this.#socketFor(hostname)
      .send(packet, { transport: "udp", hostname, port })
      .catch(() => {}); // no route to it: like a server that is silent
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets.values()) socket.close();
  }

  #socketFor(address: string): Deno.DatagramConn {
    const hostname = address.includes(":") ? "::" : "0.0.0.0";
    let socket = this.#sockets.get(hostname);
    if (socket === undefined) {
      socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
      this.#sockets.set(hostname, socket);
      this.#receive(socket);
    }
    return socket;
  }

  async #receive(socket: Deno.DatagramConn): Promise<void> {
    const buffer = new Uint8Array(MAX_REPLY);
    while (!this.#closed) {
      try {
        const [packet, peer] = await socket.receive(buffer);
        if (!this.#closed) this.#handler.take(packet, peer as Deno.NetAddr);
      } catch (error) {
        if (!this.#closed) this.#handler.fail(error);
        return;
      }
    }
  }
}
