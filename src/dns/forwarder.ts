/**
 * Names that are not ours: asked of upstream servers, and their replies made fit for our clients.
 *
 * EDNS is hop by hop (RFC 6891 section 6.2.1): towards upstream there is an OPT record of our own, towards the client
 * one only if it sent one. What upstream says of authenticity is not passed on, since nothing here validates it.
 *
 * @module
 */
import { log } from "../log.ts";
import {
  DO,
  EdnsOption,
  Flag,
  MAX_UDP_PAYLOAD,
  Opcode,
  Type,
} from "./constants.ts";
import {
  exchange,
  ExchangeError,
  type Reply,
  type Server,
  serverName,
} from "./exchange.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type ResourceRecord,
} from "./message.ts";
import { ROOT } from "./name.ts";
import type { QueryReader } from "./query.ts";
import type { Forwarder } from "./responder.ts";

/** How many queries may wait for upstream at a time: each has a socket. */
const MAX_PENDING = 500;
/** Milliseconds until a query fails: clients give up after 5 s, and are told before. */
const DEADLINE = 4500;
/** The most milliseconds until the next server is asked, or the same one again. */
const MAX_INTERVAL = 1500;

/** Who is asked, found out anew for every query. */
export type ServerSource = () => Promise<readonly Server[]>;

/** Forwards over UDP. */
export class UpstreamForwarder implements Forwarder {
  readonly #source: ServerSource;
  readonly #isSelf: (server: Server) => boolean;
  readonly #closing = new AbortController();
  #pending = 0;
  /** The server that replied last is asked first. */
  #preferred: string | undefined;
  #warnedOfSelf = false;

  /** @param isSelf tells the servers that are this program itself: they are never asked */
  constructor(source: ServerSource, isSelf: (server: Server) => boolean) {
    this.#source = source;
    this.#isSelf = isSelf;
  }

  async forward(
    packet: Uint8Array,
    query: QueryReader,
    limit: number,
  ): Promise<Uint8Array> {
    if (this.#pending >= MAX_PENDING) {
      throw new ExchangeError(
        `${MAX_PENDING} queries are waiting for upstream servers already`,
      );
    }
    this.#pending++;
    try {
      const asked = decodeMessage(packet);
      const reply = await this.#ask(upstreamQuery(asked, query));
      return encodeMessage(clientResponse(asked, query, reply.message), limit);
    } finally {
      this.#pending--;
    }
  }

  /** Fails all queries that are waiting, and all to come. */
  close(reason: Error): void {
    this.#closing.abort(reason);
  }

  async #ask(query: Omit<Message, "id">): Promise<Reply> {
    this.#closing.signal.throwIfAborted();
    const servers = this.#inOrder(await this.#source());
    if (servers.length === 0) {
      throw new ExchangeError("there is no upstream server to ask");
    }
    const interval = Math.min(MAX_INTERVAL, DEADLINE / (2 * servers.length));
    const reply = await exchange(
      query,
      servers,
      { interval, deadline: DEADLINE },
      this.#closing.signal,
    );
    this.#preferred = serverName(reply.server);
    return reply;
  }

  #inOrder(all: readonly Server[]): Server[] {
    const servers = all.filter((server) => !this.#isSelf(server));
    if (servers.length < all.length && !this.#warnedOfSelf) {
      this.#warnedOfSelf = true;
      log("dns").warn(
        "this server itself is among its upstream servers, and is left out",
      );
    }
    const first = servers.findIndex((each) =>
      serverName(each) === this.#preferred
    );
    if (first > 0) servers.unshift(...servers.splice(first, 1));
    return servers;
  }
}

/** The query to send upstream for a client's. */
function upstreamQuery(
  { questions }: Message,
  query: QueryReader,
): Omit<Message, "id"> {
  const dnssecOk = query.edns ? query.ednsFlags & DO : 0;
  return {
    flags: query.flags & (Flag.RD | Flag.CD),
    opcode: Opcode.QUERY,
    rcode: 0,
    questions,
    answers: [],
    authorities: [],
    additionals: [opt(dnssecOk, new Uint8Array(0))],
  };
}

/** The response to send to a client for upstream's. */
function clientResponse(
  asked: Message,
  query: QueryReader,
  reply: Message,
): Message {
  const additionals = reply.additionals.filter(({ type }) =>
    type !== Type.OPT && type !== Type.TSIG
  );
  if (query.edns) {
    const upstreamOpt = reply.additionals.find(({ type }) => type === Type.OPT);
    const ttl = query.ednsFlags & DO | (upstreamOpt?.ttl ?? 0) & 0xff000000;
    const options = upstreamOpt ? extendedErrorsOf(upstreamOpt.rdata) : [];
    additionals.push(opt(ttl >>> 0, Uint8Array.from(options)));
  }
  return {
    ...reply,
    id: asked.id,
    flags: Flag.QR | Flag.RA | query.flags & (Flag.RD | Flag.CD) |
      reply.flags & Flag.TC,
    questions: asked.questions,
    additionals,
  };
}

function opt(ttl: number, rdata: Uint8Array): ResourceRecord {
  return {
    name: ROOT,
    type: Type.OPT,
    class: MAX_UDP_PAYLOAD,
    ttl,
    rdata,
  };
}

/** The Extended DNS Errors among EDNS options, as octets: they are for the client to see (RFC 8914 section 3). */
function extendedErrorsOf(options: Uint8Array): number[] {
  const errors: number[] = [];
  for (let at = 0; at + 4 <= options.length;) {
    const end = at + 4 + (options[at + 2] << 8 | options[at + 3]);
    if (end > options.length) break;
    if ((options[at] << 8 | options[at + 1]) === EdnsOption.EXTENDED_ERROR) {
      errors.push(...options.subarray(at, end));
    }
    at = end;
  }
  return errors;
}
