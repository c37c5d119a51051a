/**
 * DNS over connections, whatever they are made of (RFC 7766, RFC 9210): any number of messages on each, answered in
 * whatever order the answers come.
 *
 * A connection costs memory and a file descriptor, so there is a bound on how many there are, on how long one may be
 * idle, and on how much it may have under way. Whoever may not ask is hung up on at once, and
 * whoever is refused when that has been said. When there are too many
 * connections, the one that goes is the longest idle of the client or network that has the most (places.ts).
 *
 * @module
 */
import { log } from "../../log.ts";
import {
  HEADER_SIZE,
  MAX_MESSAGE,
  Rcode,
  RCODE_MASK,
} from "../wire/constants.ts";
import { acceptAll } from "../../net/accept.ts";
import { KnownPeer, type Peer, peerName } from "../../net/peer.ts";
import { type Place, Places } from "../../net/places.ts";
import { LATER, type Responder } from "./responder.ts";
import { framed, messages, writeAll } from "../wire/framing.ts";
import type { Transport } from "../wire/transport.ts";
import type { BoundEndpoint } from "./endpoint.ts";

/** Connections at a time. */
const MAX_CONNECTIONS = 256;
/** Milliseconds without a whole message in either direction, normally and while most connections are in use. */
const IDLE_TIMEOUT = 10_000, BUSY_IDLE_TIMEOUT = 2_000;
/** Queries of one connection that may wait for their answers; reading goes on when there are fewer. */
const MAX_WAITING = 100;
/** Octets of answers that a client may leave unread before it is hung up on. */
const MAX_UNSENT = 1 << 20;

/** What gives connections: as `Deno.listen` makes it, or `Deno.listenTls`. */
export type ConnListener = Deno.Listener<Deno.Conn, Deno.NetAddr>;

/** A socket whose connections are served. */
export class StreamServer implements BoundEndpoint {
  readonly #label: string;
  readonly #listener: ConnListener;
  readonly #connections = new Set<Connection>();
  readonly #places: Places;
  #served: Promise<void> = Promise.resolve();
  #draining = false;

  /**
   * @param label what the protocol is called in the log
   * @param now milliseconds on a monotonic clock
   */
  constructor(label: string, listener: ConnListener, now: () => number) {
    this.#label = label;
    this.#listener = listener;
    this.#places = new Places(MAX_CONNECTIONS, now);
  }

  get address(): Deno.NetAddr {
    return this.#listener.addr;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  serve(responder: Responder): void {
    this.#served = acceptAll({
      listener: this.#listener,
      isClosed: () => this.#draining,
      take: (conn) => this.#accept(conn, responder),
      onTrouble: (error) =>
        log("dns").warn(
          `accepting a connection over ${this.#label} failed: ${error}`,
        ),
    });
  }

  #accept(conn: Deno.Conn, responder: Responder): void {
    const peer = new KnownPeer(conn.remoteAddr as Deno.NetAddr);
    const place = responder.serves(peer)
      ? this.#places.take(peer.octets, "", () => connection.close())
      : undefined;
    if (place === undefined) return conn.close();
    const connection = new Connection(
      this.#label,
      conn,
      peer,
      place,
      responder,
      () => this.#idleTimeout(),
    );
    this.#connections.add(connection);
    connection.serve().catch((error) => {
      log("dns").debug(
        `connection of ${peerName(peer)} over ${this.#label}: ${error}`,
      );
    }).finally(() => {
      place.leave();
      this.#connections.delete(connection);
    });
  }

  #idleTimeout(): number {
    return this.#connections.size > MAX_CONNECTIONS / 2
      ? BUSY_IDLE_TIMEOUT
      : IDLE_TIMEOUT;
  }

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#listener.close();
    for (const connection of this.#connections) connection.drain();
  }

  async close(): Promise<void> {
    this.drain();
    for (const connection of this.#connections) connection.close();
    await this.#served;
  }
}

class Connection implements Transport {
  readonly label: string;
  readonly verified = true;
  readonly #conn: Deno.Conn;
  readonly #peer: Peer;
  readonly #place: Place;
  readonly #responder: Responder;
  readonly #idleTimeout: () => number;
  readonly #out = new Uint8Array(MAX_MESSAGE);
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Queries whose answers are still to come. */
  #waiting = 0;
  /** Called when there is one fewer of them. */
  #wake = () => {};
  #unsent = 0;
  #sending = Promise.resolve();
  #draining = false;
  #closed = false;

  constructor(
    label: string,
    conn: Deno.Conn,
    peer: Peer,
    place: Place,
    responder: Responder,
    idleTimeout: () => number,
  ) {
    this.label = label;
    this.#conn = conn;
    this.#responder = responder;
    this.#idleTimeout = idleTimeout;
    this.#peer = peer;
    this.#place = place;
  }

  /** Reads and answers queries until the client is done, idle, or wrong. */
  async serve(): Promise<void> {
    this.#active();
    try {
      for await (const query of messages(this.#conn)) {
        if (this.#draining || query.length < HEADER_SIZE) break;
        this.#active();
        this.#answer(query);
        while (this.#waiting >= MAX_WAITING && !this.#closed) {
          await this.#change();
        }
      }
      // The client may have closed its side alone: what it asked is still answered (RFC 7766 section 6.2.3).
      while (this.#waiting > 0 && !this.#closed) await this.#change();
      await this.#sending;
    } finally {
      this.close();
    }
  }

  limit(): number {
    return MAX_MESSAGE;
  }

  #answer(query: Uint8Array): void {
    const length = this.#responder.respond(query, this.#out, this, this.#peer);
    if (length > 0) {
      this.#write(this.#out.slice(0, length));
      if ((this.#out[3] & RCODE_MASK) === Rcode.REFUSED) this.drain();
    } else if (length === LATER) {
      this.#waiting++;
    }
  }

  /** Sends a response that was not given at once. */
  send(response: Uint8Array): void {
    this.#waiting--;
    this.#wake();
    this.#active();
    if (!this.#closed) this.#write(response);
    if (this.#draining) this.drain();
  }

  /** Sends one message after another. */
  #write(message: Uint8Array): void {
    const octets = framed(message);
    this.#unsent += octets.length;
    if (this.#unsent > MAX_UNSENT) return this.close();
    this.#sending = this.#sending.then(async () => {
      await writeAll(this.#conn, octets);
      this.#unsent -= octets.length;
    }).catch(() => this.close()); // the client is gone
  }

  /** Starts the idle time anew; a connection whose answers are still to come is not idle. */
  #active(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#place.touch();
    this.#timer = setTimeout(() => {
      if (this.#waiting > 0) this.#active();
      else this.close();
    }, this.#idleTimeout());
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  /** Takes no more queries, and ends when those it has are answered. */
  drain(): void {
    this.#draining = true;
    if (this.#waiting === 0) this.#sending.then(() => this.close());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#wake();
    this.#conn.close();
  }
}
