/**
 * One question put to upstream servers: which reply is the answer.
 *
 * Questions go over UDP. A reply counts when it comes from the server that was asked, to the port that asked, and
 * matches the query (upstream_query.ts). A reply that is truncated, or right but for the case of the question, makes
 * the same server be asked over TCP (RFC 7766 section 5), where nobody can forge what he does not see. One that cannot
 * be read, or does not repeat the question, is in doubt: it counts only if nothing better comes. Who is asked when is
 * decided in schedule.ts.
 *
 * @module
 */
import { Flag, HEADER_SIZE, Rcode, Type } from "../wire/constants.ts";
import { Deadlines } from "./deadlines.ts";
import { type Attempt, Schedule } from "./schedule.ts";
import { exchangeOverTcp } from "./channel_tcp.ts";
import { decodeMessage, type Message } from "../wire/message.ts";
import { WireError } from "../wire/name.ts";
import type { Upstream } from "./upstream.ts";
import { orderOf } from "./upstream_order.ts";
import {
  hasCapitals,
  isAnswer,
  Match,
  matchReply,
  rcodeOf,
  upstreamQuery,
  type UpstreamQuestion,
} from "./upstream_query.ts";
import { MAX_REPLY, type Ticket, type UpstreamSockets } from "./channel_udp.ts";

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
  /** The first error that does not repeat the question. */
  #bareError: Message | undefined;
  /** What is wrong with the replies of servers. */
  readonly #unreadable = new Map<Upstream, string>();
  /** Servers that said they cannot read a query with an OPT record, and are asked without. */
  readonly #withoutEdns = new Set<Upstream>();
  /** Servers whose replies count in any case, since they cannot be asked over TCP. */
  readonly #anyCase = new Set<Upstream>();

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
    const now = performance.now();
    for (const attempt of this.#schedule.doubtful(now)) {
      const settle = attempt.doubt;
      attempt.doubt = undefined;
      settle?.();
    }
    this.#callOff();
    const due = this.#schedule.due(now);
    if (now >= this.#deadline || this.#schedule.isHopeless(now)) {
      return this.#giveUp();
    }
    for (const attempt of due) this.#send(attempt);
    const next = Math.min(this.#schedule.nextAt(now), this.#deadline);
    this.#callOff = deadlines.add(next, () => this.#advance());
  }

  #send(attempt: Attempt): void {
    const { upstream } = attempt, at = performance.now();
    const edns = !this.#withoutEdns.has(upstream) &&
      (this.#question.dnssecOk || upstream.edns.isAssumed(at));
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
    const isCut = (reply[2] & Flag.TC >> 8) !== 0 || reply.length > MAX_REPLY;
    const isOtherCase = match === Match.OTHER_CASE &&
      upstream.case.isAssumed(now) && !this.#anyCase.has(upstream);
    if (match !== Match.BARE_ERROR && (isCut || isOtherCase)) {
      // Another one may have been sent again: one connection is enough.
      if (attempt.overTcp) return;
      sent.done = true;
      const why = isCut ? "cuts its reply short over UDP" : undefined;
      this.#askOverTcp(query, sent, why);
      return;
    }
    const message = this.#decode(reply);
    if (typeof message === "string") {
      const why = `sends a reply that cannot be read (${message})`;
      this.#unreadable.set(upstream, why);
      return this.#doubt(attempt, () => {
        sent.done = true;
        this.#askOverTcp(query, sent, why);
      });
    }
    if (match === Match.BARE_ERROR) {
      this.#bareError ??= message;
      return this.#doubt(attempt, () => {
        if (sent.done) return;
        sent.done = true;
        this.#judge(message, sent);
      });
    }
    sent.done = true;
    attempt.doubt = undefined;
    if (isAnswer(rcodeOf(message))) upstream.answered(now - sent.at, now);
    if (match === Match.REPLY && hasCapitals(query, this.#question)) {
      upstream.case.shown();
    }
    this.#judge(message, sent);
  }

  /** What came may be forged, and the right reply may follow. Meanwhile the next server is asked. */
  #doubt(attempt: Attempt, settle: () => void): void {
    attempt.doubt ??= settle;
    this.#advance();
  }

  /** @param why there is no use in what came over UDP; undefined where only the case of the question is another */
  async #askOverTcp(
    query: Uint8Array,
    sent: Sent,
    why: string | undefined,
  ): Promise<void> {
    const { attempt, attempt: { upstream } } = sent;
    attempt.overTcp = true;
    this.#connections ??= new AbortController();
    let message: Message | undefined, match: Match = Match.NONE;
    let failure = "the reply is of no use";
    try {
      const reply = await exchangeOverTcp(
        query,
        upstream,
        this.#connections.signal,
      );
      match = this.#match(reply, query);
      const decoded = match === Match.NONE ? undefined : this.#decode(reply);
      if (typeof decoded === "string") failure += `: ${decoded}`;
      else if (decoded && (decoded.flags & Flag.TC) === 0) message = decoded;
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    if (this.#closed) return;
    attempt.overTcp = false;
    const now = performance.now();
    if (message !== undefined) {
      upstream.heard(now);
      if (match === Match.OTHER_CASE) this.#lackedCase(upstream, now);
      this.#judge(message, sent);
    } else if (why !== undefined) {
      this.#rule(attempt, `${upstream.name} ${why}, and over TCP ${failure}`);
    } else {
      this.#lackedCase(upstream, now);
      this.#anyCase.add(upstream);
      this.#send(attempt);
    }
  }

  /** What the question is remembered by. */
  get #key(): string {
    return String(this.#question.octets);
  }

  #lackedCase(upstream: Upstream, now: number): void {
    upstream.lackedCase(this.#key, now);
  }

  /** A response that is whole and from the server. */
  #judge(message: Message, { attempt, edns }: Sent): void {
    const { upstream } = attempt, now = performance.now();
    const rcode = rcodeOf(message);
    const hasOpt = message.additionals.some(({ type }) => type === Type.OPT);
    if (hasOpt) upstream.edns.shown();
    if (isAnswer(rcode)) {
      if (!edns && this.#withoutEdns.has(upstream)) {
        upstream.lackedEdns(this.#key, now);
      }
      for (const { upstream, useless } of this.#schedule.attempts) {
        if (useless !== undefined) upstream.unhelpful(this.#key, now);
      }
      this.#outcome.resolve(message);
    } else if (
      edns && !hasOpt && (rcode === Rcode.FORMERR || rcode === Rcode.NOTIMP)
    ) {
      this.#withoutEdns.add(upstream); // RFC 6891 section 6.2.2
      this.#send(attempt);
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
    const failure = this.#failure ?? this.#bareError;
    if (failure !== undefined) return this.#outcome.resolve(failure);
    const reasons = this.#schedule.attempts.map(({ upstream, useless }) => {
      const what = this.#unreadable.get(upstream) ?? "does not reply";
      return useless ?? `${upstream.name} ${what}`;
    });
    this.#outcome.reject(new ExchangeError(reasons.join("; ")));
  }

  #match(reply: Uint8Array, query: Uint8Array): Match {
    return matchReply(reply, query, this.#question.octets.length);
  }

  /** A reply, with the case that was made up for the question taken back; what is wrong with one that cannot be read. */
  #decode(packet: Uint8Array): Message | string {
    if (packet[5] === 1) packet.set(this.#question.octets, HEADER_SIZE);
    try {
      return decodeMessage(packet, "ignored");
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return error.message;
    }
  }
}
