/**
 * What protects the server, and others from it: who may ask, how much is sent to whom, and how much one client can set
 * in motion.
 *
 * A source address over UDP may be forged, unless it is loopback or the query has a server cookie of ours: until then a
 * client gets no more than ten times what it sent, and a bounded number of responses a second, whatever they say. It is
 * what BIND calls response rate limiting, with its slip of 2.
 *
 * @module
 */
import type { Access } from "./access.ts";
import { isInNetwork, type Network } from "../../net/network.ts";
import type { Cookies } from "./cookies.ts";
import type { Inquiry } from "../wire/inquiry.ts";
import { nsidOption } from "../wire/response.ts";
import type { Peer } from "../../net/peer.ts";
import type { TokenBuckets } from "./token_buckets.ts";

/** The most octets of response to one octet of query for a client that may be a victim. */
const MAX_AMPLIFICATION = 10;

/** What is to be done with a query. */
export const Admission = {
  ANSWER: 0,
  /** REFUSED: its sender may not ask. */
  REFUSE: 1,
  /** BADCOOKIE: it is to show that it is who it says, and able to do so at once (RFC 7873 section 5.2.3). */
  BADCOOKIE: 2,
  /** TC without an answer: it is to show the same, by TCP. */
  TRUNCATE: 3,
  /** Nothing: over its rate. */
  DROP: 4,
} as const;
export type Admission = typeof Admission[keyof typeof Admission];

/**
 * When a client must have shown that its address is its own before a machine is started for it: always, never, or where
 * there is reason for doubt.
 */
export const START_PROOFS = ["auto", "always", "never"] as const;
export type StartProof = typeof START_PROOFS[number];

/** What a {@linkcode Guard} goes by. */
export interface GuardOptions {
  access: Access;
  cookies: Cookies;
  /** Responses to a client that has not shown who it is; unbounded without. */
  responses?: TokenBuckets;
  /** REFUSED to such a client that may not ask at all: a few are enough to tell a person why. Unbounded without. */
  refusals?: TokenBuckets;
  /** Networks of resolvers that ask for many clients: what is started for them is not counted. */
  front?: readonly Network[];
  /** Machines that one client may have started. */
  starts: TokenBuckets;
  startProof: StartProof;
  /** With `auto`, starts for clients of attached networks that have shown nothing: one bucket for all of them. */
  unprovenStarts: TokenBuckets;
  /** How many of these may be under way: fewer than may be in all, so that they never make the others wait. */
  maxUnproven: number;
  /** The name server identifier, for those who ask (RFC 5001). */
  nsid?: string;
}

/** Admits queries. */
export class Guard {
  readonly #access: Access;
  readonly #cookies: Cookies;
  readonly #responses: TokenBuckets | undefined;
  readonly #refusals: TokenBuckets | undefined;
  readonly #front: readonly Network[];
  readonly #starts: TokenBuckets;
  readonly #startProof: StartProof;
  readonly #unprovenStarts: TokenBuckets;
  readonly #maxUnproven: number;
  /** The machines of those that are under way. */
  readonly #unproven = new Set<unknown>();
  readonly #nsid: Uint8Array | undefined;

  constructor(options: GuardOptions) {
    const { nsid } = options;
    this.#access = options.access;
    this.#cookies = options.cookies;
    this.#responses = options.responses;
    this.#refusals = options.refusals;
    this.#front = options.front ?? [];
    this.#starts = options.starts;
    this.#startProof = options.startProof;
    this.#unprovenStarts = options.unprovenStarts;
    this.#maxUnproven = options.maxUnproven;
    this.#nsid = nsid === undefined ? undefined : nsidOption(nsid);
  }

  /** Whether a client may ask at all. */
  serves({ octets }: Peer): boolean {
    return this.#access.allows(octets);
  }

  /** Sets the limit and the options of the response, and says what is to be done. */
  admit(inquiry: Inquiry): Admission {
    const { packet, query, transport, peer } = inquiry;
    const { octets } = peer;
    let verified = transport.verified || isLoopback(octets);
    inquiry.options = undefined;
    if (query.edns && query.cookieLength > 0) {
      const cookie = packet.subarray(
        query.cookieAt,
        query.cookieAt + query.cookieLength,
      );
      const valid = this.#cookies.isValid(cookie, octets);
      inquiry.options = this.#cookies.option(cookie, octets, valid);
      verified ||= valid;
    }
    if (query.edns && query.nsid && this.#nsid !== undefined) {
      inquiry.options = Uint8Array.of(...inquiry.options ?? [], ...this.#nsid);
    }
    inquiry.isProven = verified;
    const limit = transport.limit(query);
    inquiry.limit = verified
      ? limit
      : Math.min(limit, MAX_AMPLIFICATION * packet.length);
    if (!this.#access.allows(octets)) {
      return verified || this.#refusals?.take(octets) !== false
        ? Admission.REFUSE
        : Admission.DROP;
    }
    if (verified || this.#responses === undefined) {
      return Admission.ANSWER;
    }
    if (this.#responses.take(octets)) return Admission.ANSWER;
    // Every second one is told how to come back: a victim is spared, a client that was crowded out is not lost.
    if (!this.#responses.slip(octets)) return Admission.DROP;
    return proofOf(inquiry);
  }

  /** What is to be done before a machine is started for the client: nothing, which is to answer, or to let it prove itself. */
  mustProve(inquiry: Inquiry): Admission {
    if (inquiry.isProven || this.#startProof === "never") {
      return Admission.ANSWER;
    }
    const isTrusted = this.#startProof === "auto" &&
      this.#unproven.size < this.#maxUnproven &&
      this.#access.isAttached(inquiry.peer.octets) &&
      this.#unprovenStarts.take(ANYBODY);
    return isTrusted ? Admission.ANSWER : proofOf(inquiry);
  }

  /** A machine is started for the client, unless it is being started already; `start` settles when that is over. */
  async starting(
    { isProven }: Inquiry,
    machine: unknown,
    start: Promise<unknown>,
  ): Promise<void> {
    if (isProven || this.#unproven.has(machine)) return;
    this.#unproven.add(machine);
    await Promise.allSettled([start]);
    this.#unproven.delete(machine);
  }

  /**
   * Whether the client may have one more machine started, which is counted. This host itself may, and so may resolvers in
   * front of it: their queries are those of everybody behind them.
   */
  mayStart({ peer: { octets } }: Inquiry): boolean {
    return isLoopback(octets) ||
      this.#front.some((each) => isInNetwork(octets, each)) ||
      this.#starts.take(octets);
  }
}

/** By what it can show whose its address is. */
function proofOf({ query }: Inquiry): Admission {
  return query.edns && query.cookieLength > 0
    ? Admission.BADCOOKIE
    : Admission.TRUNCATE;
}

/** The address that stands for all of them. */
const ANYBODY = new Uint8Array(4);

/** Whether nobody else can have sent it: the kernel lets no such source address in from a network. */
export function isLoopback(octets: Uint8Array): boolean {
  if (octets.length === 4) return octets[0] === 127;
  for (let i = 0; i < 15; i++) if (octets[i] !== 0) return false;
  return octets[15] === 1;
}
