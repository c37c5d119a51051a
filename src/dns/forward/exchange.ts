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
import { log } from "../../log.ts";
import { Flag, HEADER_SIZE, Rcode, Type } from "../wire/constants.ts";
import { Deadlines } from "./deadlines.ts";
import { type Attempt, Schedule } from "./schedule.ts";
import { exchangeOverTcp } from "./channel_tcp.ts";
import { decodeMessage, type Message } from "../wire/message.ts";
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
import type { Ticket, UpstreamSockets } from "./channel_udp.ts";

/** Those of all exchanges. */
const deadlines = new Deadlines();

/** Nobody gave a reply that is of use. */
export class ExchangeError extends Error {
  override name = "ExchangeError";
}

/** A query on its way. */
interface Sent {
  readonly attempt: Attempt;
  readonly edns: boolean;
  readonly at: number;
  /** Whether its reply has come. */
  done: boolean;
}

/** One exchange. Whoever begins it closes it. */
export class Exchange {
  readonly #question: UpstreamQuestion;
  readonly #sockets: UpstreamSockets;
  readonly #schedule: Schedule;
  readonly #deadline: number;
  readonly #tickets: Ticket[] = [];
  readonly #outcome = Promise.withResolvers<Message>();
  /** Calls off the next {@linkcode Exchange.#advance}. */
  #callOff = () => {};
  /** Ends the TCP connections, where there are any. */
  #connections: AbortController | undefined;
  #closed = false;
  /** The first response that is no answer. */
  #failure: Message | undefined;

  /** @param patience milliseconds until it fails */
  constructor(
    question: UpstreamQuestion,
    upstreams: readonly Upstream[],
    sockets: UpstreamSockets,
    patience: number,
  ) {
    const now = performance.now();
    this.#question = question;
    this.#sockets = sockets;
    this.#schedule = new Schedule(orderOf(upstreams, now), patience);
    this.#deadline = now + patience;
    this.#advance();
  }

  /**
   * Resolves with a response that answers the question, or failing that with one that says why not. Rejects with
   * {@linkcode ExchangeError} when there is neither.
   */
  get reply(): Promise<Message> {
    return this.#outcome.promise;
  }

  /** Makes it fail. */
  fail(reason: Error): void {
    this.#outcome.reject(reason);
  }

  close(): void {
    this.#closed = true;
    this.#callOff();
    this.#connections?.abort();
    for (const ticket of this.#tickets) ticket.release();
  }

  /** Asks whoever is due, and comes back when the next one is. */
  #advance(): void {
    this.#callOff();
    const now = performance.now();
    const due = this.#schedule.due(now);
    if (now >= this.#deadline || this.#schedule.isHopeless(now)) {
      return this.#giveUp();
    }
    for (const attempt of due) this.#send(attempt);
    const next = Math.min(this.#schedule.nextAt(now), this.#deadline);
    this.#callOff = deadlines.add(next, () => this.#advance());
  }

  #send(attempt: Attempt, edns?: boolean): void {
    const { upstream } = attempt, at = performance.now();
    edns ??= upstream.speaksEdns(at);
    this.#schedule.sent(attempt, at);
    const sent = { attempt, edns, at, done: false };
    try {
      this.#tickets.push(this.#sockets.send(
        upstream,
        () => upstreamQuery(this.#question, edns),
        (reply, query) => this.#take(reply, query, sent),
      ));
    } catch (error) {
      this.fail(new Error(`no socket to ask ${upstream.name} by: ${error}`));
    }
  }

  /** A packet that came over UDP from the server, with the query's ID. */
  #take(reply: Uint8Array, query: Uint8Array, sent: Sent): void {
    const { attempt, attempt: { upstream } } = sent;
    if (sent.done || attempt.useless !== undefined) return;
    const match = this.#match(reply, query);
    if (match === Match.NONE) return;
    const now = performance.now();
    upstream.heard(now);
    const isCut = (reply[2] & Flag.TC >> 8) !== 0;
    if (isCut || match === Match.OTHER_CASE && upstream.keepsCase(now)) {
      // Another one may have been sent again: one connection is enough.
      if (attempt.overTcp) return;
      sent.done = true;
      this.#askOverTcp(query, sent, isCut);
      return;
    }
    const message = this.#decode(reply);
    // What cannot be read may be a forgery, and the right one may follow.
    if (message === undefined) return;
    sent.done = true;
    if (isAnswer(rcodeOf(message))) upstream.answered(now - sent.at, now);
    this.#judge(message, sent);
  }

  async #askOverTcp(
    query: Uint8Array,
    sent: Sent,
    isCut: boolean,
  ): Promise<void> {
    const { attempt, attempt: { upstream }, edns } = sent;
    attempt.overTcp = true;
    this.#connections ??= new AbortController();
    let reply: Uint8Array | undefined, failure = "the reply is of no use";
    try {
      reply = await exchangeOverTcp(
        query,
        upstream,
        this.#connections.signal,
      );
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    if (this.#closed) return;
    attempt.overTcp = false;
    const now = performance.now();
    const match = reply === undefined ? Match.NONE : this.#match(reply, query);
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

  #match(reply: Uint8Array, query: Uint8Array): Match {
    return matchReply(reply, query, this.#question.octets.length);
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
