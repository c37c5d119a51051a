/**
 * One upstream server, and what is known of it: how fast it replies, whether it does at all, and what it cannot do.
 *
 * Times are milliseconds on a monotonic clock and given by the caller. Who is asked when is decided in
 * upstream_order.ts.
 *
 * @module
 */
import { log } from "../../log.ts";
import { Capability } from "./capability.ts";
import { type SocketAddress, socketName } from "../../net/socket_address.ts";

/** How long a reply is waited for before another server is asked: by default, at least and at most. */
const FIRST_PATIENCE = 400, MIN_PATIENCE = 200, MAX_PATIENCE = 1500;
/** A round trip that was measured this long ago says nothing of the next. */
const MEASURE_AGE = 10_000;
/** How long a server that works is left alone before it is seen whether it is faster by now. */
const PROBE_INTERVAL = 30_000;
/** How long a server that does not reply is left alone: doubled with every failure, up to a minute. */
const MIN_REST = 1000, MAX_REST = 60_000;
/** How many questions in a row it must give no answer to, where another server does, to count as one that fails. */
const UNHELPFUL_QUESTIONS = 3;

/** An upstream server. */
export class Upstream implements SocketAddress {
  readonly address: string;
  readonly port: number;
  /** See {@linkcode socketName}. */
  readonly name: string;
  /** Whether it has replied, and not failed since. */
  #works = false;
  /** Smoothed round-trip time and its mean deviation, as TCP has them (RFC 6298 section 2). */
  #roundTrip = Infinity;
  #deviation = 0;
  #measuredAt = -Infinity;
  #heardAt = -Infinity;
  #failures = 0;
  #failedAt = -Infinity;
  #probeAt = -Infinity;
  /** What it gave no answer to since its last one, though another server did. */
  readonly #unanswered = new Set<string>();
  /** Whether it takes queries with an OPT record. */
  readonly edns = new Capability();
  /** Whether it repeats the question in the case it was asked in. */
  readonly case = new Capability();

  constructor({ address, port }: SocketAddress) {
    this.address = address;
    this.port = port;
    this.name = socketName(this);
  }

  /** Whether it has replied, and not failed since. */
  get works(): boolean {
    return this.#works;
  }

  /** The smoothed round-trip time; `Infinity` where none was ever measured. */
  get roundTrip(): number {
    return this.#roundTrip;
  }

  /** When it has said anything last. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** How often in a row it has failed. */
  get failures(): number {
    return this.#failures;
  }

  /** How long to wait for its reply before another server is asked as well. */
  get patience(): number {
    if (this.#roundTrip === Infinity) return FIRST_PATIENCE;
    const likely = this.#roundTrip + 4 * this.#deviation;
    return Math.max(MIN_PATIENCE, Math.min(likely, MAX_PATIENCE));
  }

  /** It has given an answer that was asked for `roundTrip` ago. */
  answered(roundTrip: number, now: number): void {
    if (now - this.#measuredAt > MEASURE_AGE) {
      this.#roundTrip = roundTrip;
      this.#deviation = roundTrip / 2;
    } else {
      const error = roundTrip - this.#roundTrip;
      this.#deviation += (Math.abs(error) - this.#deviation) / 4;
      this.#roundTrip += error / 8;
    }
    this.#measuredAt = now;
    this.#works = true;
    this.#failures = 0;
    this.#unanswered.clear();
    this.#probeAt = now + PROBE_INTERVAL;
    this.heard(now);
  }

  /** It has said something, if only that it cannot help. */
  heard(now: number): void {
    this.#heardAt = now;
  }

  /**
   * What was sent to it at `sentAt` has got no reply. That counts only if it has not been heard of since, by any query,
   * and once for all queries that were under way when it fell silent.
   */
  silent(sentAt: number, now: number): void {
    if (this.#heardAt < sentAt && this.#failedAt <= sentAt) this.failed(now);
  }

  /**
   * Its reply to `question` was of no use, and another server's was. One name may be at fault, and whoever has a zone can
   * make such a name: only some different questions in a row without an answer say something of the server.
   */
  unhelpful(question: string, now: number): void {
    this.#unanswered.add(question);
    if (this.#unanswered.size >= UNHELPFUL_QUESTIONS) this.failed(now);
  }

  /** It cannot be relied on for now: it is silent, or of no use for any name. */
  failed(now: number): void {
    this.#works = false;
    this.#failedAt = now;
    this.#unanswered.clear();
    this.#rest(now);
  }

  /** Whether it is time to see if it replies, or has become faster. */
  wantsProbe(now: number): boolean {
    return now >= this.#probeAt;
  }

  /** It is asked beside another server. Until it replies that is a failure if it is not known to work. */
  probed(now: number): void {
    if (this.#works) this.#probeAt = now + PROBE_INTERVAL;
    else this.#rest(now);
  }

  #rest(now: number): void {
    this.#probeAt = now + Math.min(MIN_REST * 2 ** this.#failures, MAX_REST);
    this.#failures++;
  }

  /** What it was found not to be able to do, in words; none is known of most servers. */
  lacks(now: number): string[] {
    const lacks: string[] = [];
    if (!this.edns.isAssumed(now)) lacks.push("EDNS");
    if (!this.case.isAssumed(now)) lacks.push("the case of questions");
    return lacks;
  }

  /** It answered `question` only without an OPT record (RFC 6891 section 6.2.2). */
  lackedEdns(question: string, now: number): void {
    if (!this.edns.lacking(question, now)) return;
    log("dns").warn(
      `${this.name} does not know EDNS: for a while it is asked without, but where a client wants DNSSEC`,
    );
  }

  /** It repeated `question` in another case. */
  lackedCase(question: string, now: number): void {
    if (!this.case.lacking(question, now)) return;
    log("dns").warn(
      `${this.name} changes the case of questions: for a while that is put up with, and its replies are easier to forge`,
    );
  }
}
