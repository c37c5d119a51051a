/**
 * The UDP sockets that queries go upstream by, and whose reply a packet may be.
 *
 * Each query has a socket, and so a random source port, of its own (RFC 5452 section 9.2), up to a rate at which opening
 * sockets would cost more than all the rest. Beyond that queries share some sockets, each picking one at random, and
 * those are replaced every second: by the time somebody has found out that a port is open, it is not any more. By these
 * packets are sent with sendto(2), since Deno's send costs more than all that the system does for it.
 *
 * @module
 */
import { type Libc, libc } from "../../ffi/libc.ts";
import { LibraryError } from "../../ffi/library.ts";
import { log } from "../../log.ts";
import {
  type Destination,
  destinationOf,
  findSocket,
  MSG_DONTWAIT,
} from "../../net/mmsg.ts";
import { KnownPeer } from "../../net/peer.ts";
import type { SocketAddress } from "../../net/socket_address.ts";

/** How many sockets a second are opened for one query each. */
const OWN_PER_SECOND = 256;
/** How many sockets are shared beyond that, for each family of addresses, and for how many milliseconds each. */
const SHARED = 64, SHARED_FOR = 1000;
/**
 * The largest reply taken over UDP: servers were told less, but some do not listen. Of a larger one comes an octet more
 * than this, so that it can be told.
 */
export const MAX_REPLY = 4096;

/**
 * Takes a packet that came from the server and has the query's ID; it is good only until the next one comes.
 *
 * @param query as it was sent
 */
type Receiver = (reply: Uint8Array, query: Uint8Array) => void;

/** A query that was sent, and whose reply is waited for. */
export interface Ticket {
  /** It is waited for no more. */
  release(): void;
}

/** Sockets that come and go as they are needed. */
export class UpstreamSockets {
  /** The shared ones, by family. */
  readonly #shared = {
    v4: new Array<Socket>(SHARED),
    v6: new Array<Socket>(SHARED),
  };
  readonly #now: () => number;
  readonly #libc = libcIfAny();
  /** When the second began in which sockets are counted, and how many were opened in it. */
  #second = -Infinity;
  #opened = 0;

  /** @param now milliseconds on a monotonic clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Sends a query to a server, if there is a way to it, and gives what comes back to `receive`.
   * Throws what `Deno.listenDatagram` throws.
   *
   * @param makeQuery makes the packet; called again while its ID is one that is in use on the socket
   */
  send(
    server: SocketAddress,
    makeQuery: () => Uint8Array<ArrayBuffer>,
    receive: Receiver,
  ): Ticket {
    return this.#socketFor(server).send(server, makeQuery, receive);
  }

  /** Closes all sockets that nobody waits at; the others are closed when their tickets are released. */
  close(): void {
    for (const sockets of Object.values(this.#shared)) {
      for (const socket of sockets) socket?.retire();
    }
  }

  #socketFor({ address }: SocketAddress): Socket {
    const isV6 = address.includes(":"), now = this.#now();
    if (now - this.#second >= 1000) {
      this.#second = now;
      this.#opened = 0;
    }
    if (this.#opened < OWN_PER_SECOND) {
      this.#opened++;
      return new Socket(isV6, false);
    }
    const sockets = isV6 ? this.#shared.v6 : this.#shared.v4;
    const place = Math.floor(SHARED * Math.random());
    const socket = sockets[place];
    if (socket?.isShared) return socket;
    return sockets[place] = new Socket(isV6, true, this.#libc);
  }
}

interface Waiting {
  server: SocketAddress;
  query: Uint8Array;
  receive: Receiver;
}

/** A socket that closes when nobody uses it any more. */
class Socket {
  readonly #socket: Deno.DatagramConn;
  /** Those who wait for a reply, by ID. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #isV6: boolean;
  #isShared: boolean;
  #closed = false;
  /** What a shared socket sends by, where there is a C library. */
  readonly #libc: Libc | undefined;
  readonly #fd: number | undefined;

  constructor(isV6: boolean, isShared: boolean, libc?: Libc) {
    this.#isV6 = isV6;
    const hostname = isV6 ? "::" : "0.0.0.0";
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    this.#isShared = isShared;
    if (isShared) this.#timer = setTimeout(() => this.retire(), SHARED_FOR);
    this.#libc = libc;
    this.#fd = libc && findSocket(libc, this.#socket.addr as Deno.NetAddr);
    this.#listen();
  }

  /** Whether any query may use it. */
  get isShared(): boolean {
    return this.#isShared;
  }

  send(
    server: SocketAddress,
    makeQuery: () => Uint8Array<ArrayBuffer>,
    receive: Receiver,
  ): Ticket {
    let query = makeQuery();
    while (this.#waiting.has(idOf(query))) query = makeQuery();
    const id = idOf(query);
    this.#waiting.set(id, { server, query, receive });
    if (!this.#sendAtOnce(server, query)) {
      const { address: hostname, port } = server;
      this.#socket.send(query, { transport: "udp", hostname, port })
        .catch(() => {}); // no route to it: like a server that is silent
    }
    return {
      release: () => {
        this.#waiting.delete(id);
        this.#closeIfUnused();
      },
    };
  }

  /** Sends a packet if that can be done here and now. */
  #sendAtOnce(server: SocketAddress, packet: Uint8Array<ArrayBuffer>): boolean {
    if (this.#libc === undefined || this.#fd === undefined) return false;
    const { sockaddr, length } = destinationFor(server, this.#isV6);
    const { sendto } = this.#libc;
    return sendto(
      this.#fd,
      packet,
      BigInt(packet.length),
      MSG_DONTWAIT,
      sockaddr,
      length,
    ) >= 0;
  }

  /** No other query is to use it. */
  retire(): void {
    clearTimeout(this.#timer);
    this.#isShared = false;
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#isShared || this.#waiting.size > 0 || this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  async #listen(): Promise<void> {
    const buffer = new Uint8Array(MAX_REPLY + 1);
    try {
      for (;;) {
        const [packet, peer] = await this.#socket.receive(buffer);
        if (this.#closed) return;
        this.#take(packet, peer as Deno.NetAddr);
      }
    } catch (error) {
      if (this.#closed) return;
      // Those who wait will ask again, on another socket.
      log("dns").warn(`a socket to ask upstream by is broken: ${error}`);
      this.#waiting.clear();
      this.retire();
    }
  }

  #take(packet: Uint8Array, { hostname, port }: Deno.NetAddr): void {
    const waiting = this.#waiting.get(idOf(packet));
    if (waiting === undefined) return;
    const { server, query, receive } = waiting;
    if (hostname !== server.address || port !== server.port) return;
    receive(packet, query);
  }
}

/** Where each server is, made once. */
const destinations = new WeakMap<SocketAddress, Destination>();

function destinationFor(server: SocketAddress, isV6: boolean): Destination {
  let destination = destinations.get(server);
  if (destination === undefined) {
    const { address: hostname, port } = server;
    destination = destinationOf(new KnownPeer({ hostname, port }), isV6);
    destinations.set(server, destination);
  }
  return destination;
}

function libcIfAny(): Libc | undefined {
  try {
    return libc();
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error;
  }
}

function idOf(packet: Uint8Array): number {
  return packet[0] << 8 | packet[1];
}
