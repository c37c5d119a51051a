/**
 * What Jitsu answers: a packet goes in, a response comes out, at once where it can.
 *
 * A name of the local zone whose hosts are ready is answered from memory, with nothing allocated. Where one is not
 * ready it is summoned and the answer follows; a name that is not ours is forwarded and the answer follows; all else
 * is refused on the spot. How packets come and go is the business of the transports.
 *
 * @module
 */
import { log } from "../log.ts";
import {
  Class,
  ExtendedError,
  Flag,
  HEADER_SIZE,
  MAX_MESSAGE,
  Rcode,
  Type,
  typeName,
} from "./constants.ts";
import { formatName } from "./name.ts";
import { QueryReader, Verdict } from "./query.ts";
import {
  type Ede,
  type ResponseParts,
  udpLimit,
  writeResponse,
} from "./response.ts";
import type { Answer, Host, LocalName, Zone } from "./zone.ts";

/** Who sent a query. It may be good only until the next one is answered: what is kept must be copied. */
export interface Peer {
  /** IPv4 or IPv6 address in text form. */
  readonly hostname: string;
  readonly port: number;
}

/** What a query came by, and its response goes by. */
export interface Transport {
  readonly name: "udp" | "tcp";
  /** Sends a response that could not be given at once. */
  send(response: Uint8Array, peer: Peer): void;
}

/** Asks somebody else. */
export interface Forwarder {
  /**
   * The response to a query, for the client that asked it: at most `limit` octets. Rejects with an Error whose message
   * says in words for the client why there is none.
   *
   * @param packet the query; `query` has read it, and reads others later
   */
  forward(
    packet: Uint8Array,
    query: QueryReader,
    limit: number,
  ): Promise<Uint8Array>;
}

const NONE: Answer = { count: 0, octets: new Uint8Array(0) };

/**
 * What ANY is answered with (RFC 8482 section 4.2): a synthesized HINFO record with CPU "RFC8482" and no OS, so that
 * nobody is summoned and nothing amplified.
 */
function minimalAny(ttl: number): Answer {
  const rdata = [7, ...new TextEncoder().encode("RFC8482"), 0];
  const octets = new Uint8Array(12 + rdata.length);
  octets.set([0xc0, 12, 0, 13, 0, Class.IN]);
  new DataView(octets.buffer).setUint32(6, ttl);
  octets.set([0, rdata.length, ...rdata], 10);
  return { count: 1, octets };
}

/** Types that ask about a server or for a transfer, never for a name's data (RFC 5936, RFC 8945). */
const isMeta = (type: number) => type >= 249 && type <= Type.AXFR;

const RCODE_OF = {
  [Verdict.FORMERR]: Rcode.FORMERR,
  [Verdict.NOTIMP]: Rcode.NOTIMP,
  [Verdict.BADVERS]: Rcode.BADVERS,
} as const;

/** Answers queries. */
export class Responder {
  readonly #zone: Zone;
  readonly #forwarder: Forwarder | undefined;
  readonly #now: () => number;
  readonly #reader = new QueryReader();
  /** Flags of every response that is not ours to vouch for: RA where there is somebody to ask. */
  readonly #flags: number;
  /** Those who wait, by what makes a repeated query the same (see {@linkcode Responder.#defer}). */
  readonly #waiting = new Set<string>();
  #idle: (() => void)[] = [];

  /**
   * @param forwarder who is asked about names that are not ours; without one they are REFUSED
   * @param now milliseconds, monotonic; what {@linkcode NameUsage} is written in
   */
  constructor(zone: Zone, forwarder: Forwarder | undefined, now: () => number) {
    this.#zone = zone;
    this.#forwarder = forwarder;
    this.#now = now;
    this.#flags = forwarder === undefined ? 0 : Flag.RA;
  }

  /** How many responses are still to come. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves as soon as no response is still to come. */
  async idle(): Promise<void> {
    if (this.#waiting.size > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /**
   * Answers `packet` into `out` and returns the response's length. 0 means no response: there never is one, or it
   * comes later by `transport.send`.
   */
  respond(
    packet: Uint8Array,
    out: Uint8Array,
    transport: Transport,
    peer: Peer,
  ): number {
    const query = this.#reader;
    const verdict = query.read(packet);
    if (verdict !== Verdict.ANSWER) {
      return verdict === Verdict.DROP
        ? 0
        : this.#refuse(packet, query, out, transport, RCODE_OF[verdict]);
    }
    if (query.class !== Class.IN) {
      return this.#refuse(packet, query, out, transport, Rcode.REFUSED);
    }
    const local = this.#zone.find(packet, query.hash);
    if (
      local !== undefined && (local.hosts.length > 0 || query.type === Type.SOA)
    ) {
      return this.#answer(local, packet, out, transport, peer);
    }
    if (isMeta(query.type)) {
      return this.#refuse(packet, query, out, transport, Rcode.REFUSED);
    }
    return this.#forward(packet, out, transport, peer);
  }

  /** A name of ours. */
  #answer(
    local: LocalName,
    packet: Uint8Array,
    out: Uint8Array,
    transport: Transport,
    peer: Peer,
  ): number {
    const query = this.#reader;
    let answer = NONE;
    switch (query.type) {
      case Type.A:
      case Type.AAAA:
        answer = query.type === Type.A ? local.a : local.aaaa;
        if (!this.#touch(local)) {
          if (answer.count > 0) {
            return this.#summon(local, packet, transport, peer);
          }
          this.#summonAside(
            local.hosts,
            causeOf(packet, query, transport, peer),
          );
        }
        break;
      case Type.HTTPS:
      case Type.SVCB:
        // Asked beside A and AAAA by a visitor who is on the way (RFC 9460 section 3).
        if (!this.#touch(local)) {
          this.#summonAside(
            local.hosts,
            causeOf(packet, query, transport, peer),
          );
        }
        break;
      case Type.SOA:
        if (local.isApex) answer = local.soa;
        break;
      case Type.ANY:
        answer = minimalAny(local.ttl);
        break;
      default:
        if (isMeta(query.type)) {
          return this.#refuse(packet, query, out, transport, Rcode.REFUSED);
        }
    }
    return this.#write(packet, query, out, transport, {
      flags: this.#flags | Flag.AA,
      rcode: Rcode.NOERROR,
      answer,
      authority: answer.count > 0 ? NONE : local.soa,
    });
  }

  /** Notes the request with every host of the name; returns whether all are ready. */
  #touch(local: LocalName): boolean {
    const now = this.#now(), hosts = local.hosts;
    let ready = true;
    for (let i = 0; i < hosts.length; i++) {
      const { usage, summonable } = hosts[i];
      usage.requests++;
      usage.lastRequest = now;
      if (!summonable.ready) ready = false;
    }
    return ready;
  }

  /** Summons hosts whose being ready the answer does not wait for. */
  #summonAside(hosts: readonly Host[], cause: string): void {
    for (const { summonable } of hosts) {
      // Why it failed is in the log, and told to the client that asks for an address.
      if (!summonable.ready) summonable.summon(cause).catch(() => {});
    }
  }

  /** Summons the hosts of a name and answers with the addresses of those that came. */
  #summon(
    local: LocalName,
    packet: Uint8Array,
    transport: Transport,
    peer: Peer,
  ): 0 {
    const type = this.#reader.type as typeof Type.A | typeof Type.AAAA;
    const cause = causeOf(packet, this.#reader, transport, peer);
    const hasAnswer = (host: Host) => local.addressesOf([host], type).count > 0;
    const hosts = local.hosts.filter(hasAnswer);
    this.#summonAside(local.hosts.filter((host) => !hasAnswer(host)), cause);
    return this.#defer(packet, transport, peer, async (query, copy, out) => {
      const outcomes = await Promise.allSettled(
        hosts.map((host) =>
          host.summonable.ready ? undefined : host.summonable.summon(cause)
        ),
      );
      const came = hosts.filter((_, i) => outcomes[i].status === "fulfilled");
      query.read(copy);
      if (came.length === 0) {
        const reasons = outcomes.map((outcome) =>
          outcome.status === "rejected" ? textOf(outcome.reason) : ""
        );
        return this.#fail(copy, query, out, transport, reasons.join("; "));
      }
      return this.#write(copy, query, out, transport, {
        flags: this.#flags | Flag.AA,
        rcode: Rcode.NOERROR,
        answer: local.addressesOf(came, type),
        authority: NONE,
      });
    });
  }

  /** A name that is not ours. */
  #forward(
    packet: Uint8Array,
    out: Uint8Array,
    transport: Transport,
    peer: Peer,
  ): number {
    const query = this.#reader, forwarder = this.#forwarder;
    if (forwarder === undefined) {
      return this.#refuse(packet, query, out, transport, Rcode.REFUSED, {
        code: ExtendedError.PROHIBITED,
        text: "not a name of this server, and forwarding is off",
      });
    }
    if ((query.flags & Flag.RD) === 0) {
      return this.#refuse(packet, query, out, transport, Rcode.REFUSED, {
        code: ExtendedError.NOT_AUTHORITATIVE,
        text: "not a name of this server, and recursion was not desired",
      });
    }
    return this.#defer(packet, transport, peer, async (query, copy, out) => {
      try {
        const response = await forwarder.forward(
          copy,
          query,
          limitOf(query, transport),
        );
        out.set(response);
        return response.length;
      } catch (error) {
        return this.#fail(copy, query, out, transport, textOf(error));
      }
    });
  }

  /**
   * Lets a response come later. A client that gives up and repeats its query, with the same ID from the same port, is
   * joined to the one under way and answered once.
   */
  #defer(
    packet: Uint8Array,
    transport: Transport,
    peer: Peer,
    work: (
      query: QueryReader,
      copy: Uint8Array,
      out: Uint8Array,
    ) => Promise<number>,
  ): 0 {
    const copy = packet.slice();
    const { hostname, port } = peer;
    const key = `${transport.name} ${hostname} ${port} ${
      String.fromCharCode(...copy)
    }`;
    if (this.#waiting.has(key)) return 0;
    this.#waiting.add(key);
    const query = new QueryReader();
    query.read(copy);
    const out = new Uint8Array(limitOf(query, transport));
    work(query, copy, out)
      .then((length) =>
        transport.send(out.subarray(0, length), { hostname, port })
      )
      .catch((error) =>
        log("dns").error(`a response could not be made: ${textOf(error)}`)
      )
      .finally(() => {
        this.#waiting.delete(key);
        if (this.#waiting.size === 0) {
          for (const resolve of this.#idle.splice(0)) {
            resolve();
          }
        }
      });
    return 0;
  }

  /** SERVFAIL that says why. */
  #fail(
    packet: Uint8Array,
    query: QueryReader,
    out: Uint8Array,
    transport: Transport,
    text: string,
  ): number {
    return this.#refuse(packet, query, out, transport, Rcode.SERVFAIL, {
      code: ExtendedError.OTHER,
      text,
    });
  }

  /** A response without records. */
  #refuse(
    packet: Uint8Array,
    query: QueryReader,
    out: Uint8Array,
    transport: Transport,
    rcode: number,
    ede?: Ede,
  ): number {
    return this.#write(packet, query, out, transport, {
      flags: this.#flags,
      rcode,
      answer: NONE,
      authority: NONE,
      ede,
    });
  }

  #write(
    packet: Uint8Array,
    query: QueryReader,
    out: Uint8Array,
    transport: Transport,
    parts: ResponseParts,
  ): number {
    return writeResponse(packet, query, out, limitOf(query, transport), parts);
  }
}

function limitOf(query: QueryReader, transport: Transport): number {
  return transport.name === "udp" ? udpLimit(query) : MAX_MESSAGE;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The query in words, for the log. */
function causeOf(
  packet: Uint8Array,
  query: QueryReader,
  transport: Transport,
  peer: Peer,
): string {
  const name = formatName(packet.slice(HEADER_SIZE, query.questionEnd - 4));
  const over = transport.name === "udp"
    ? ""
    : ` over ${transport.name.toUpperCase()}`;
  return `${
    typeName(query.type)
  } ${name} from ${peer.hostname}#${peer.port}${over}`;
}
