/**
 * Names that are not ours: asked of upstream servers, and what they said kept for the next who asks.
 *
 * EDNS is hop by hop (RFC 6891 section 6.2.1): towards upstream there is an OPT record of our own, towards the client
 * one only if it sent one. What upstream says of authenticity (AD) is not passed on, since nothing here validates it.
 *
 * @module
 */
import { Cache, type Entry } from "./cache.ts";
import { ExtendedError, Flag, HEADER_SIZE, Rcode } from "../wire/constants.ts";
import { Exchange, ExchangeError } from "./exchange.ts";
import { log } from "../../log.ts";
import { type Place, Places } from "../../net/places.ts";
import type { Name } from "../wire/name.ts";
import { domainOf, type QueryReader } from "../wire/query.ts";
import { type PrivateAnswers, withheld } from "./private_answers.ts";
import {
  failureOf,
  failureOfReply,
  type Resolution,
  resolutionOf,
  staleOf,
  withoutRecords,
} from "./resolution.ts";
import type { Route, Routes } from "./routes.ts";
import type { Upstream } from "./upstream.ts";
import { SingleFlight } from "./single_flight.ts";
import { emptyZoneAnswer } from "../zone/special_names.ts";
import {
  isAnswer,
  rcodeOf,
  type UpstreamQuestion,
  upstreamQuestion,
} from "./upstream_query.ts";
import { UpstreamSockets } from "./channel_udp.ts";
import { within } from "../../wait.ts";

/** How many questions may be with upstream servers at a time. */
const MAX_PENDING = 1000;
/** Milliseconds until a question fails: clients give up after 5 s, and are told before. */
const DEADLINE = 4000;
/** Milliseconds after which a client is given a stale answer while a new one is on its way (RFC 8767 section 5). */
const CLIENT_PATIENCE = 1800;
/** Milliseconds for which nobody is asked again where a stale answer did (RFC 8767 section 5). */
const RECHECK = 30_000;
/** Milliseconds after which it is looked whether the servers are still the same. */
const CHECK_INTERVAL = 1000;

/** Asks somebody else. */
export interface Forwarder {
  /** What is known without asking; good until the next call. Called for every query that is not for us to answer. */
  find(packet: Uint8Array, query: QueryReader): Resolution | undefined;
  /**
   * What somebody else says, where nothing is known. Rejects with an Error whose message is fit to be shown to the
   * client.
   *
   * @param packet the query, which `query` has read; both stay as they are
   * @param client whose question it is: the 4 or 16 octets of its address
   */
  resolve(
    packet: Uint8Array,
    query: QueryReader,
    client: Uint8Array,
  ): Promise<Resolution>;
  /** Whether servers were configured for a domain that the name is in: it is not special then. */
  hasRoute(packet: Uint8Array, query: QueryReader): boolean;
}

/** Settings of an {@linkcode UpstreamForwarder}. */
export interface ForwarderOptions {
  routes: Routes;
  /** How many answers are kept; 0 for none. */
  cacheSize: number;
  /** Seconds for which an answer that has expired may be given out where upstream fails; 0 for never. */
  serveStale: number;
  privateAnswers: PrivateAnswers;
  /** Milliseconds, and counted on while the host sleeps: answers expire meanwhile. */
  now?: () => number;
}

/** Forwards, and remembers. */
export class UpstreamForwarder implements Forwarder {
  readonly #routes: Routes;
  readonly #cache: Cache | undefined;
  readonly #maxStale: number;
  readonly #privateAnswers: PrivateAnswers;
  readonly #now: () => number;
  readonly #flights = new SingleFlight<Resolution>();
  /** What those have who ask upstream; and by question, to find the one that somebody else waits for too. */
  readonly #places = new Places(MAX_PENDING, () => performance.now());
  readonly #placeOf = new Map<string, Place>();
  readonly #sockets = new UpstreamSockets();
  /** Those under way. */
  readonly #exchanges = new Set<Exchange>();
  /** Why there are no more of them. */
  #closed: Error | undefined;
  /** The servers for names without a route of their own, and when they were looked at. */
  #servers: unknown;
  #checkedAt = -Infinity;

  constructor(
    { routes, cacheSize, serveStale, privateAnswers, now }: ForwarderOptions,
  ) {
    this.#routes = routes;
    this.#cache = cacheSize > 0 ? new Cache(cacheSize) : undefined;
    this.#maxStale = serveStale * 1000;
    this.#privateAnswers = privateAnswers;
    this.#now = now ?? Date.now;
  }

  find(packet: Uint8Array, query: QueryReader): Resolution | undefined {
    const now = this.#now();
    if (now - this.#checkedAt >= CHECK_INTERVAL || now < this.#checkedAt) {
      this.#checkedAt = now;
      this.#noticeChange();
    }
    const known = this.#cache?.fresh(packet, query, now);
    if (known !== undefined) return known;
    if (this.#maxStale > 0) {
      const entry = this.#cache?.get(packet, query);
      if (entry && now < entry.retryAt && this.#mayBeStale(entry, now)) {
        return this.#stale(entry, now);
      }
    }
    const route = this.#routes.find(packet, query.questionEnd);
    if (route === undefined) return NOT_FORWARDED;
    return route.isClosed ? nothing(route, query) : undefined;
  }

  async resolve(
    packet: Uint8Array,
    query: QueryReader,
    client: Uint8Array,
  ): Promise<Resolution> {
    const entry = this.#cache?.get(packet, query);
    const question = upstreamQuestion(packet, query);
    const key = keyOf(question);
    this.#placeOf.get(key)?.share(client);
    const flight = this.#flights.join(
      key,
      () => this.#ask(question, key, packet, query, client, entry),
    );
    if (entry === undefined || !this.#mayBeStale(entry, this.#now())) {
      return await flight;
    }
    const fresh = await within(CLIENT_PATIENCE, flight)
      .catch(() => undefined);
    return fresh === undefined || fresh.isFailure
      ? this.#stale(entry, this.#now())
      : fresh;
  }

  hasRoute(packet: Uint8Array, query: QueryReader): boolean {
    return this.#routes.ofDomain(packet, query.questionEnd) !== undefined;
  }

  /** The servers, in the order of their domains. */
  async servers(): Promise<{ domain: Name; servers: readonly Upstream[] }[]> {
    return await Promise.all(this.#routes.all.map(async (route) => ({
      domain: route.domain,
      servers: await route.servers(),
    })));
  }

  /** Fails all questions that are under way, and all to come. */
  close(reason: Error): void {
    this.#closed = reason;
    for (const exchange of this.#exchanges) exchange.fail(reason);
    this.#sockets.close();
  }

  /** Asks upstream, and keeps what it says. */
  async #ask(
    question: UpstreamQuestion,
    key: string,
    packet: Uint8Array,
    query: QueryReader,
    client: Uint8Array,
    entry: Entry | undefined,
  ): Promise<Resolution> {
    const route = this.#routes.find(packet, query.questionEnd)!;
    const servers = await route.servers();
    if (this.#closed !== undefined) throw this.#closed;
    if (servers.length === 0) {
      throw new Error("there is no upstream server to ask");
    }
    const place = this.#places.take(
      client,
      domainOf(packet),
      () => {
        log("dns").warn(
          "all places for questions to upstream servers are taken: the oldest of whoever has the most are given up",
        );
        exchange.fail(new Error(GIVEN_UP));
      },
    );
    if (place === undefined) throw new Error(GIVEN_UP);
    const began = performance.now();
    let resolution: Resolution;
    const exchange = new Exchange(question, servers, this.#sockets, DEADLINE);
    this.#exchanges.add(exchange);
    this.#placeOf.set(key, place);
    try {
      const reply = await exchange.reply;
      route.answered();
      resolution = isAnswer(rcodeOf(reply))
        ? withheld(this.#privateAnswers, reply, route, servers) ??
          resolutionOf(reply, question)
        : failureOfReply(reply, entry?.resolution);
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      route.silentSince(began);
      const code = ExtendedError.NO_REACHABLE_AUTHORITY;
      const ede = [{ code, text: error.message }];
      resolution = failureOf(Rcode.SERVFAIL, ede, entry?.resolution);
    } finally {
      place.leave();
      this.#placeOf.delete(key);
      this.#exchanges.delete(exchange);
      exchange.close();
    }
    this.#keep(packet, query, resolution, entry);
    return resolution;
  }

  #keep(
    packet: Uint8Array,
    query: QueryReader,
    resolution: Resolution,
    entry: Entry | undefined,
  ): void {
    const now = this.#now();
    if (resolution.isFailure) {
      if (entry !== undefined && this.#mayBeStale(entry, now)) {
        entry.retryAt = now + RECHECK;
        return;
      }
      const ede = [...resolution.ede, CACHED_ERROR];
      resolution = { ...resolution, ede };
    }
    if (resolution.lifetime === 0) return;
    const expiresAt = now + 1000 * resolution.lifetime;
    this.#cache?.put(packet, query, resolution, now, expiresAt);
  }

  /** Whether an entry that has expired may still be given out. */
  #mayBeStale({ expiresAt, storedAt, resolution }: Entry, now: number) {
    return !resolution.isFailure && now >= storedAt &&
      now < expiresAt + this.#maxStale;
  }

  #stale({ resolution, storedAt }: Entry, now: number): Resolution {
    const age = Math.floor((now - storedAt) / 1000);
    return { ...staleOf(resolution), age };
  }

  /** What other servers said about a name may not hold where this host is now: on another network, in a VPN. */
  async #noticeChange(): Promise<void> {
    const servers = await this.#routes.fallback?.servers();
    if (this.#servers !== undefined && servers !== this.#servers) {
      this.#cache?.clear();
    }
    this.#servers = servers;
  }
}

const GIVEN_UP = "too many questions are with the upstream servers already";

const CACHED_ERROR = { code: ExtendedError.CACHED_ERROR, text: "" };

/** For names that are in no domain that somebody is asked about. */
const NOT_FORWARDED = withoutRecords(Rcode.REFUSED, [{
  code: ExtendedError.PROHIBITED,
  text: "not a name of this server, nor in a domain that it forwards",
}]);

/** About a name in a domain that nobody is asked about: there is nothing in it. */
function nothing({ domain }: Route, query: QueryReader): Resolution {
  const skip = query.questionEnd - 4 - HEADER_SIZE - domain.length;
  const { exists, answer, authority } = emptyZoneAnswer(skip, query.type);
  const rcode = exists ? Rcode.NOERROR : Rcode.NXDOMAIN;
  return {
    ...withoutRecords(rcode, []),
    flags: Flag.RA | Flag.AA,
    answer,
    authority,
  };
}

/** Equal for questions that have the same answer. */
function keyOf({ octets, flags, dnssecOk }: UpstreamQuestion): string {
  return `${String.fromCharCode(...octets)} ${flags} ${dnssecOk}`;
}
