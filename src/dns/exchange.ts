/**
 * One question put to upstream servers: who is asked when, and which reply is the answer.
 *
 * Questions go over UDP. A reply counts when it comes from the server that was asked, to the port that asked, and
 * matches the query (upstream_query.ts). Each exchange has a socket, and so a random source port, of its own. A reply
 * that is truncated, or right but for the case of the question, makes the same server be asked over TCP (RFC 7766
 * section 5), where nobody can forge what he does not see.
 *
 * @module
 */
import { log } from "../log.ts";
import { Flag, Rcode, Type } from "./constants.ts";
import { exchangeOverTcp } from "./exchange_tcp.ts";
import { decodeMessage, type Message } from "./message.ts";
import type { Upstream } from "./upstream.ts";
import { orderOf } from "./upstream_order.ts";
import {
  isAnswer,
  Match,
  matchReply,
  rcodeOf,
  upstreamQuery,
  type UpstreamQuestion,
} from "./upstream_query.ts";

/** The largest reply taken over UDP: servers were told less, but some do not listen. */
const MAX_REPLY = 4096;
/** How often a server is asked over UDP: a packet may be lost. */
const ROUNDS = 3;

/** Nobody gave a reply that is of use. */
export class ExchangeError extends Error {
  override name = "ExchangeError";
}

/**
 * One exchange: resolves with a response that answers the question, or failing that with one that says why not.
 *
 * @param deadline milliseconds until it fails
 */
export async function exchange(
  question: UpstreamQuestion,
  upstreams: readonly Upstream[],
  deadline: number,
  signal: AbortSignal,
): Promise<Message> {
  using exchange = new Exchange(question, upstreams, deadline, signal);
  return await exchange.reply;
}

/** What one server was asked, and said. */
interface Attempt {
  readonly upstream: Upstream;
  /** How often it was asked over UDP. */
  times: number;
  sentAt: number;
  /** Until when its reply is waited for before somebody else is asked, or it is again. */
  waitUntil: number;
  overTcp: boolean;
  /** Why it is no use to ask it again. */
  useless: string | undefined;
}

/** A query on its way. */
interface Sent {
  attempt: Attempt;
  packet: Uint8Array<ArrayBuffer>;
  edns: boolean;
  at: number;
}

class Exchange {
  readonly #question: UpstreamQuestion;
  readonly #signal: AbortSignal;
  readonly #deadline: number;
  readonly #attempts: Attempt[];
  readonly #sockets = new Map<string, Deno.DatagramConn>();
  /** By ID. */
  readonly #sent = new Map<number, Sent>();
  readonly #outcome = Promise.withResolvers<Message>();
  readonly #over = new AbortController();
  readonly #giveUpTimer: ReturnType<typeof setTimeout>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The one whose turn it is. */
  #current: Attempt | undefined;
  /** The first response that is no answer. */
  #failure: Message | undefined;

  constructor(
    question: UpstreamQuestion,
    upstreams: readonly Upstream[],
    deadline: number,
    signal: AbortSignal,
  ) {
    this.#question = question;
    this.#signal = signal;
    this.#deadline = deadline;
    const { servers, probe } = orderOf(upstreams, performance.now());
    this.#attempts = servers.map((upstream) => ({
      upstream,
      times: 0,
      sentAt: 0,
      waitUntil: Infinity,
      overTcp: false,
      useless: undefined,
    }));
    this.#giveUpTimer = setTimeout(() => this.#giveUp(), deadline);
    signal.addEventListener("abort", this.#abort);
    this.#advance();
    const probed = this.#attempts.find(({ upstream }) => upstream === probe);
    if (probed?.times === 0) this.#send(probed);
  }

  get reply(): Promise<Message> {
    return this.#outcome.promise;
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#giveUpTimer);
    this.#signal.removeEventListener("abort", this.#abort);
    for (const socket of this.#sockets.values()) socket.close();
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted;
  }

  #abort = () => this.#outcome.reject(this.#signal.reason);

  /** Asks whoever is due, and comes back when the next one is. */
  #advance(): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    const now = performance.now();
    const open = this.#attempts.filter(({ useless }) => useless === undefined);
    if (open.length === 0) return this.#giveUp();
    const silent = open.filter((each) => each.waitUntil <= now);
    for (const { upstream, sentAt } of silent) upstream.silent(sentAt, now);

    const fresh = open.find(({ times }) => times === 0);
    if (fresh === undefined) {
      // Servers that are probably dead are not waited for where another has said that it cannot help.
      const hopeless = silent.length === open.length &&
        silent.every(({ upstream, overTcp }) => !upstream.works && !overTcp);
      if (hopeless && this.#failure !== undefined) return this.#giveUp();
      for (const each of silent) {
        if (each.times < ROUNDS && !each.overTcp) this.#send(each);
      }
    } else if (
      this.#current === undefined || this.#current.useless !== undefined ||
      this.#current.waitUntil <= now
    ) {
      this.#current = fresh;
      this.#send(fresh);
    }
    const next = Math.min(
      ...open.map(({ waitUntil }) => waitUntil).filter((time) => time > now),
    );
    if (next !== Infinity) {
      this.#timer = setTimeout(() => this.#advance(), Math.ceil(next - now));
    }
  }

  #send(attempt: Attempt, edns?: boolean): void {
    const { upstream } = attempt, now = performance.now();
    edns ??= upstream.speaksEdns(now);
    let packet, id;
    do {
      packet = upstreamQuery(this.#question, edns);
      id = packet[0] << 8 | packet[1];
    } while (this.#sent.has(id));
    this.#sent.set(id, { attempt, packet, edns, at: now });
    attempt.sentAt = now;
    // Everybody has his turn within half of the time.
    const turn = this.#deadline / 2 / this.#attempts.length;
    attempt.waitUntil = now +
      Math.min(upstream.patience, turn) * 2 ** attempt.times++;
    try {
      const { address: hostname, port } = upstream;
      this.#socketFor(hostname)
        .send(packet, { transport: "udp", hostname, port })
        .catch(() => {}); // no route to it: like a server that is silent
    } catch (error) {
      this.#outcome.reject(
        new Error(`no socket to ask ${upstream.name} with: ${error}`),
      );
    }
  }

  #socketFor(address: string): Deno.DatagramConn {
    const hostname = address.includes(":") ? "::" : "0.0.0.0";
    let socket = this.#sockets.get(hostname);
    if (socket === undefined) {
      socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
      this.#sockets.set(hostname, socket);
      this.#listen(socket);
    }
    return socket;
  }

  async #listen(socket: Deno.DatagramConn): Promise<void> {
    const buffer = new Uint8Array(MAX_REPLY);
    while (!this.#isOver) {
      try {
        const [packet, peer] = await socket.receive(buffer);
        this.#take(packet, peer as Deno.NetAddr);
      } catch (error) {
        if (!this.#isOver) this.#outcome.reject(error);
        return;
      }
    }
  }

  /** A packet that came over UDP. */
  #take(packet: Uint8Array, peer: Deno.NetAddr): void {
    const sent = this.#sent.get(packet[0] << 8 | packet[1]);
    if (sent === undefined) return;
    const { attempt, attempt: { upstream } } = sent;
    if (
      peer.hostname !== upstream.address || peer.port !== upstream.port ||
      attempt.overTcp || attempt.useless !== undefined
    ) return;
    const match = this.#match(packet, sent);
    if (match === Match.NONE) return;
    const now = performance.now();
    upstream.heard(now);
    const isCut = (packet[2] & Flag.TC >> 8) !== 0;
    const isOdd = match === Match.OTHER_CASE && upstream.keepsCase(now);
    if (isCut || isOdd) {
      this.#askOverTcp(sent, isCut);
      return;
    }
    const message = this.#decode(packet);
    // What cannot be read may be a forgery, and the right one may follow.
    if (message === undefined) return;
    if (isAnswer(rcodeOf(message))) upstream.answered(now - sent.at, now);
    this.#judge(message, sent);
  }

  async #askOverTcp(sent: Sent, isCut: boolean): Promise<void> {
    const { attempt, attempt: { upstream } } = sent;
    attempt.overTcp = true;
    let failure: string;
    try {
      const packet = await exchangeOverTcp(
        sent.packet,
        upstream,
        this.#over.signal,
      );
      const match = this.#match(packet, sent);
      const message = this.#decode(packet);
      if (match !== Match.NONE && message && !(message.flags & Flag.TC)) {
        const now = performance.now();
        upstream.heard(now);
        if (match === Match.OTHER_CASE) upstream.foldsCase(now);
        attempt.overTcp = false;
        return this.#judge(message, sent);
      }
      failure = "the reply is of no use";
    } catch (error) {
      if (this.#isOver) return;
      failure = error instanceof Error ? error.message : String(error);
    }
    attempt.overTcp = false;
    if (isCut) {
      this.#rule(
        attempt,
        `${upstream.name} cuts its reply short over UDP, and over TCP ${failure}`,
      );
      return;
    }
    log("dns").warn(
      `${upstream.name} changes the case of questions and cannot be asked over TCP (${failure}): its replies are easier to forge`,
    );
    upstream.foldsCase(performance.now());
    this.#send(attempt, sent.edns);
  }

  /** A response that is whole and from the server. */
  #judge(message: Message, { attempt, edns }: Sent): void {
    const { upstream } = attempt, now = performance.now();
    const rcode = rcodeOf(message);
    if (isAnswer(rcode)) {
      // Asked with an OPT record, it had said FORMERR or NOTIMP.
      if (!edns && upstream.speaksEdns(now)) upstream.lacksEdns(now);
      for (const each of this.#attempts) {
        if (each.useless !== undefined) each.upstream.failed(now);
      }
      this.#outcome.resolve(message);
    } else if (
      edns && (rcode === Rcode.FORMERR || rcode === Rcode.NOTIMP) &&
      !message.additionals.some(({ type }) => type === Type.OPT)
    ) {
      this.#send(attempt, false); // RFC 6891 section 6.2.2
    } else {
      this.#failure ??= message;
      this.#rule(attempt, `${upstream.name} fails with RCODE ${rcode}`);
    }
  }

  /** Rules a server out. */
  #rule(attempt: Attempt, reason: string): void {
    attempt.useless = reason;
    this.#advance();
  }

  #giveUp(): void {
    // A server's own failure says more than that another one was silent.
    if (this.#failure !== undefined) {
      return this.#outcome.resolve(this.#failure);
    }
    const reasons = this.#attempts.map(({ upstream, useless }) =>
      useless ?? `${upstream.name} does not reply`
    );
    this.#outcome.reject(new ExchangeError(reasons.join("; ")));
  }

  #match(packet: Uint8Array, sent: Sent): Match {
    return matchReply(packet, sent.packet, this.#question.octets.length);
  }

  /** A reply, with the case that was made up for the question taken back. */
  #decode(packet: Uint8Array): Message | undefined {
    if (packet[5] === 1) {
      this.#question.octets.forEach((octet, i) => packet[12 + i] = octet);
    }
    try {
      return decodeMessage(packet);
    } catch {
      return undefined;
    }
  }
}
