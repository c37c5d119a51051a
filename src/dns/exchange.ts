/**
 * One question put to upstream servers: which reply is the answer.
 *
 * Questions go over UDP. A reply counts when it comes from the server that was asked, to the port that asked, and
 * matches the query (upstream_query.ts). A reply that is truncated, or right but for the case of the question, makes
 * the same server be asked over TCP (RFC 7766 section 5), where nobody can forge what he does not see. Who is asked
 * when is decided in exchange_schedule.ts.
 *
 * @module
 */
import { log } from "../log.ts";
import { Flag, HEADER_SIZE, Rcode, Type } from "./constants.ts";
import { type Attempt, Schedule } from "./exchange_schedule.ts";
import { ExchangeSockets } from "./exchange_sockets.ts";
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

/** Nobody gave a reply that is of use. */
export class ExchangeError extends Error {
  override name = "ExchangeError";
}

/**
 * One exchange: resolves with a response that answers the question, or failing that with one that says why not.
 * Rejects with {@linkcode ExchangeError} when there is neither, and with the signal's reason.
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
  readonly #schedule: Schedule;
  readonly #sockets: ExchangeSockets;
  /** By ID. */
  readonly #sent = new Map<number, Sent>();
  readonly #outcome = Promise.withResolvers<Message>();
  readonly #over = new AbortController();
  readonly #deadline: ReturnType<typeof setTimeout>;
  #timer: ReturnType<typeof setTimeout> | undefined;
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
    this.#schedule = new Schedule(
      orderOf(upstreams, performance.now()),
      deadline,
    );
    this.#sockets = new ExchangeSockets({
      take: (packet, peer) => this.#take(packet, peer),
      fail: this.#outcome.reject,
    });
    this.#deadline = setTimeout(() => this.#giveUp(), deadline);
    signal.addEventListener("abort", this.#abort);
    this.#advance();
  }

  get reply(): Promise<Message> {
    return this.#outcome.promise;
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#deadline);
    this.#signal.removeEventListener("abort", this.#abort);
    this.#sockets.close();
  }

  #abort = () => this.#outcome.reject(this.#signal.reason);

  /** Asks whoever is due, and comes back when the next one is. */
  #advance(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    const due = this.#schedule.due(now);
    if (this.#schedule.isHopeless(now)) return this.#giveUp();
    for (const attempt of due) this.#send(attempt);
    const next = this.#schedule.nextAt(now);
    if (next !== undefined) {
      this.#timer = setTimeout(() => this.#advance(), Math.ceil(next - now));
    }
  }

  #send(attempt: Attempt, edns?: boolean): void {
    const { upstream } = attempt, now = performance.now();
    edns ??= upstream.speaksEdns(now);
    let packet, id;
    do {
      packet = upstreamQuery(this.#question, edns);
      id = idOf(packet);
    } while (this.#sent.has(id));
    this.#sent.set(id, { attempt, packet, edns, at: now });
    this.#schedule.sent(attempt, now);
    try {
      this.#sockets.send(packet, upstream);
    } catch (error) {
      this.#outcome.reject(
        new Error(`no socket to ask ${upstream.name} with: ${error}`),
      );
    }
  }

  /** A packet that came over UDP. */
  #take(packet: Uint8Array, { hostname, port }: Deno.NetAddr): void {
    const sent = this.#sent.get(idOf(packet));
    if (sent === undefined) return;
    const { attempt, attempt: { upstream } } = sent;
    if (
      hostname !== upstream.address || port !== upstream.port ||
      attempt.overTcp || attempt.useless !== undefined
    ) return;
    const match = this.#match(packet, sent);
    if (match === Match.NONE) return;
    const now = performance.now();
    upstream.heard(now);
    const isCut = (packet[2] & Flag.TC >> 8) !== 0;
    if (isCut || match === Match.OTHER_CASE && upstream.keepsCase(now)) {
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
    const { attempt, attempt: { upstream }, packet, edns } = sent;
    attempt.overTcp = true;
    let reply: Uint8Array | undefined, failure = "the reply is of no use";
    try {
      reply = await exchangeOverTcp(packet, upstream, this.#over.signal);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    if (this.#over.signal.aborted) return;
    attempt.overTcp = false;
    const now = performance.now();
    const match = reply === undefined ? Match.NONE : this.#match(reply, sent);
    const message = match === Match.NONE ? undefined : this.#decode(reply!);
    if (message !== undefined && (message.flags & Flag.TC) === 0) {
      upstream.heard(now);
      if (match === Match.OTHER_CASE) upstream.foldsCase(now);
      this.#judge(message, sent);
    } else if (isCut) {
      const reason =
        `${upstream.name} cuts its reply short over UDP, and over TCP ${failure}`;
      this.#rule(attempt, reason);
    } else {
      log("dns").warn(
        `${upstream.name} changes the case of questions and cannot be asked over TCP (${failure}): its replies are easier to forge`,
      );
      upstream.foldsCase(now);
      this.#send(attempt, edns);
    }
  }

  /** A response that is whole and from the server. */
  #judge(message: Message, { attempt, edns }: Sent): void {
    const { upstream } = attempt, now = performance.now();
    const rcode = rcodeOf(message);
    if (isAnswer(rcode)) {
      // Asked with an OPT record, it had said FORMERR or NOTIMP.
      if (!edns && upstream.speaksEdns(now)) upstream.lacksEdns(now);
      for (const { upstream, useless } of this.#schedule.attempts) {
        if (useless !== undefined) upstream.failed(now);
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
    const reasons = this.#schedule.attempts.map(({ upstream, useless }) =>
      useless ?? `${upstream.name} does not reply`
    );
    this.#outcome.reject(new ExchangeError(reasons.join("; ")));
  }

  #match(packet: Uint8Array, sent: Sent): Match {
    return matchReply(packet, sent.packet, this.#question.octets.length);
  }

  /** A reply, with the case that was made up for the question taken back. */
  #decode(packet: Uint8Array): Message | undefined {
    if (packet[5] === 1) packet.set(this.#question.octets, HEADER_SIZE);
    try {
      return decodeMessage(packet);
    } catch {
      return undefined;
    }
  }
}

function idOf(packet: Uint8Array): number {
  return packet[0] << 8 | packet[1];
}
