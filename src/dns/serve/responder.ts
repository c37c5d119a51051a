/**
 * What Jitsu answers: a packet goes in, a response comes out, at once where it can.
 *
 * A name of the local zone whose hosts are ready is answered from memory, with nothing allocated. Where one is not
 * ready it is summoned and the answer follows; a name that is not ours is forwarded and the answer follows; all else
 * is refused on the spot. How packets come and go is the business of the transports.
 *
 * @module
 */
import {
  type Answer,
  answerOf,
  characterString,
  NONE,
  questionPointer,
  record,
} from "../wire/records.ts";
import { Class, ExtendedError, Flag, Rcode, Type } from "../wire/constants.ts";
import { Admission, type Guard } from "./guard.ts";
import type { Host } from "../zone/hosts.ts";
import { Inquiry } from "../wire/inquiry.ts";
import { LateResponses, type Writer } from "./late_responses.ts";
import type { LocalName } from "../zone/local_name.ts";
import type { Peer } from "../../net/peer.ts";
import { Verdict } from "../wire/query.ts";
import type { Forwarder } from "../forward/forwarder.ts";
import { type Resolution, writeResolution } from "../forward/resolution.ts";
import { addBadKey, type Ede, writeResponse } from "../wire/response.ts";
import { specialAnswer } from "../zone/special_names.ts";
import type { Transport } from "../wire/transport.ts";
import type { Zone } from "../zone/zone.ts";

const NO_ERRORS: readonly Ede[] = [];
const TOO_MANY = "too many queries are waiting already";

/** Returned by {@linkcode Responder.respond} when the response comes later. */
export const LATER = -1;

/**
 * What ANY is answered with (RFC 8482 section 4.2): a synthesized HINFO record with CPU "RFC8482" and no OS, so that
 * nobody is summoned and nothing amplified.
 */
function minimalAny(ttl: number): Answer {
  const rdata = [...characterString("RFC8482"), ...characterString("")];
  return answerOf([record(questionPointer(), Type.HINFO, ttl, rdata)]);
}

/** Types that ask about a server or for a transfer, never for a name's data (RFC 5936, RFC 8945). */
const isMeta = (type: number) => type >= 249 && type <= Type.AXFR;

const RCODE_OF = {
  [Verdict.FORMERR]: Rcode.FORMERR,
  [Verdict.NOTIMP]: Rcode.NOTIMP,
  [Verdict.BADVERS]: Rcode.BADVERS,
  [Verdict.COOKIE]: Rcode.NOERROR,
} as const;

/** Answers queries. */
export class Responder {
  readonly #zone: Zone;
  readonly #guard: Guard;
  readonly #forwarder: Forwarder | undefined;
  readonly #now: () => number;
  readonly #inquiry = new Inquiry();
  /** Flags of every response: RA where there is somebody to ask. */
  readonly #flags: number;
  readonly #late: LateResponses;

  /**
   * @param forwarder who is asked about names that are not ours; without one they are REFUSED
   * @param now milliseconds, monotonic; what {@linkcode Usage} is noted in
   */
  constructor(
    zone: Zone,
    guard: Guard,
    forwarder: Forwarder | undefined,
    now: () => number,
  ) {
    this.#zone = zone;
    this.#guard = guard;
    this.#forwarder = forwarder;
    this.#now = now;
    this.#late = new LateResponses(now);
    this.#flags = forwarder === undefined ? 0 : Flag.RA;
  }

  /** How many responses are still to come. */
  get waiting(): number {
    return this.#late.count;
  }

  /** Resolves as soon as no response is still to come. */
  idle(): Promise<void> {
    return this.#late.idle();
  }

  /** Whether a client may ask at all: one that may not need not be listened to where that costs more than to answer. */
  serves(client: Peer): boolean {
    return this.#guard.serves(client);
  }

  /**
   * Answers `packet` into `out` and returns the response's length; {@linkcode LATER} when it comes by
   * `transport.send`, 0 when there is none.
   */
  respond(
    packet: Uint8Array,
    out: Uint8Array,
    transport: Transport,
    peer: Peer,
  ): number {
    const inquiry = this.#inquiry, query = inquiry.query;
    const verdict = query.read(packet);
    if (verdict === Verdict.DROP) return 0;
    inquiry.packet = packet;
    inquiry.transport = transport;
    inquiry.peer = peer;
    const admission = this.#guard.admit(inquiry);
    if (admission !== Admission.ANSWER) {
      return this.#turnAway(inquiry, out, admission);
    }
    if (verdict === Verdict.SIGNED) {
      const length = this.#refuse(inquiry, out, Rcode.NOTAUTH);
      return addBadKey(inquiry, out, length);
    }
    if (verdict !== Verdict.ANSWER) {
      return this.#refuse(inquiry, out, RCODE_OF[verdict]);
    }
    if (query.class !== Class.IN) {
      return this.#refuse(inquiry, out, Rcode.REFUSED);
    }
    const local = this.#zone.find(packet, query.hash);
    if (
      local !== undefined &&
      (local.isOurs || query.type === Type.SOA && local.isApex)
    ) {
      return this.#answer(local, inquiry, out);
    }
    if (isMeta(query.type)) return this.#refuse(inquiry, out, Rcode.REFUSED);
    const isAboveOurs = local !== undefined;
    return this.#special(inquiry, out, isAboveOurs) ||
      this.#forward(inquiry, out, isAboveOurs);
  }

  /** A client that may not ask, has asked too much, or has to show who it is. */
  #turnAway(inquiry: Inquiry, out: Uint8Array, admission: Admission): number {
    switch (admission) {
      case Admission.REFUSE:
        return this.#refuse(inquiry, out, Rcode.REFUSED, {
          code: ExtendedError.PROHIBITED,
          text: "this server answers its own networks only",
        });
      case Admission.BADCOOKIE:
        return this.#refuse(inquiry, out, Rcode.BADCOOKIE);
      case Admission.TRUNCATE:
        return this.#write(inquiry, out, Flag.TC, Rcode.NOERROR, NONE, NONE);
      default:
        return 0;
    }
  }

  /** A name of ours. */
  #answer(local: LocalName, inquiry: Inquiry, out: Uint8Array): number {
    const { query } = inquiry;
    let answer = NONE;
    switch (query.type) {
      case Type.A:
      case Type.AAAA:
        answer = query.type === Type.A ? local.hosts.a : local.hosts.aaaa;
        if (!this.#touch(local)) {
          const proof = this.#mustProve(local, inquiry);
          if (proof !== Admission.ANSWER) {
            return this.#turnAway(inquiry, out, proof);
          }
          if (!this.#mayStart(local, inquiry)) {
            return this.#tooManyStarts(inquiry, out);
          }
          if (answer.count > 0) return this.#summon(local, inquiry, out);
          this.#summonAside(local.hosts.all, inquiry);
        }
        break;
      case Type.HTTPS:
      case Type.SVCB:
        // Asked beside A and AAAA by a visitor who is on the way (RFC 9460 section 3).
        if (
          !this.#touch(local) &&
          this.#mustProve(local, inquiry) === Admission.ANSWER &&
          this.#mayStart(local, inquiry)
        ) {
          this.#summonAside(local.hosts.all, inquiry);
        }
        break;
      case Type.PTR:
        answer = local.ptr;
        break;
      case Type.SOA:
        if (local.isApex) answer = this.#zone.soaOf(local);
        break;
      case Type.ANY:
        answer = minimalAny(local.ttl);
        break;
      default:
        if (isMeta(query.type)) {
          return this.#refuse(inquiry, out, Rcode.REFUSED);
        }
    }
    const authority = answer.count > 0 ? NONE : this.#zone.soaOf(local);
    return this.#write(inquiry, out, Flag.AA, Rcode.NOERROR, answer, authority);
  }

  /** Notes the request with every host of the name; returns whether all are ready. */
  #touch(local: LocalName): boolean {
    local.note(this.#now());
    return local.hosts.ready;
  }

  /** What the client is to do first, to whom it may be that nobody has sent the query; to join those who wait it is nothing. */
  #mustProve(local: LocalName, inquiry: Inquiry): Admission {
    return local.summoning > 0
      ? Admission.ANSWER
      : this.#guard.mustProve(inquiry);
  }

  /**
   * Whether the client may have the name's hosts started. It needs no leave to join those who wait already, nor to hear
   * that one cannot be started now: only what starts is counted, for each machine.
   */
  #mayStart(local: LocalName, inquiry: Inquiry): boolean {
    return local.summoning > 0 ||
      local.hosts.all.every(({ summonable: { wouldStart = true, ready } }) =>
        ready || !wouldStart || this.#guard.mayStart(inquiry)
      );
  }

  #tooManyStarts(inquiry: Inquiry, out: Uint8Array): number {
    // Not REFUSED, for which stub resolvers give the server up.
    return this.#refuse(inquiry, out, Rcode.SERVFAIL, {
      code: ExtendedError.PROHIBITED,
      text: "too many machines started for this client; ask again later",
    });
  }

  /** Summons hosts whose being ready the answer does not wait for. */
  #summonAside(hosts: readonly Host[], inquiry: Inquiry): void {
    // Why one failed is in the log, and told to the client that asks for an address.
    this.#start(hosts, inquiry);
  }

  /** Summons those hosts that are not ready; resolves when all of them have come, or failed. */
  #start(
    hosts: readonly Host[],
    inquiry: Inquiry,
  ): Promise<PromiseSettledResult<void>[]> {
    const cause = String(inquiry);
    return Promise.allSettled(hosts.map(({ summonable }) => {
      if (summonable.ready) return;
      const summoned = summonable.summon(cause);
      this.#guard.starting(inquiry, summonable, summoned);
      return summoned;
    }));
  }

  /** Summons the hosts of a name and answers with the addresses of those that came. */
  #summon(local: LocalName, inquiry: Inquiry, out: Uint8Array): number {
    const type = inquiry.query.type as typeof Type.A | typeof Type.AAAA;
    const { all } = local.hosts;
    const addressesOf = (hosts: readonly Host[]) =>
      local.hosts.addressesOf(hosts, type);
    const hasAnswer = (host: Host) => addressesOf([host]).count > 0;
    const hosts = all.filter(hasAnswer);
    this.#summonAside(all.filter((host) => !hasAnswer(host)), inquiry);
    return this.#defer(inquiry, out, async (kept) => {
      local.summoning++;
      const outcomes = await this.#start(hosts, kept);
      local.summoning--;
      const came = hosts.filter((_, i) => outcomes[i].status === "fulfilled");
      if (came.length === 0) {
        const reasons = outcomes.map((outcome) =>
          outcome.status === "rejected" ? textOf(outcome.reason) : ""
        );
        return (out) => this.#fail(kept, out, reasons.join("; "));
      }
      const answer = addressesOf(came);
      return (out) =>
        this.#write(kept, out, Flag.AA, Rcode.NOERROR, answer, NONE);
    });
  }

  /** A name that nobody else is to be asked about; 0 for any other. One above a name of ours exists. */
  #special(inquiry: Inquiry, out: Uint8Array, isAboveOurs: boolean): number {
    const { packet, query } = inquiry;
    const special = specialAnswer(packet, query.questionEnd, query.type);
    if (special === undefined || this.#forwarder?.hasRoute(packet, query)) {
      return 0;
    }
    const rcode = special.exists || isAboveOurs
      ? Rcode.NOERROR
      : Rcode.NXDOMAIN;
    return this.#write(
      inquiry,
      out,
      Flag.AA,
      rcode,
      special.answer,
      special.authority,
    );
  }

  /** A name that is not ours. One that is above a name of ours exists, whatever upstream says. */
  #forward(inquiry: Inquiry, out: Uint8Array, isAboveOurs: boolean): number {
    const forwarder = this.#forwarder;
    if (forwarder === undefined) {
      return this.#refuse(inquiry, out, Rcode.REFUSED, {
        code: ExtendedError.PROHIBITED,
        text: "not a name of this server, and forwarding is off",
      });
    }
    if ((inquiry.query.flags & Flag.RD) === 0) {
      return this.#refuse(inquiry, out, Rcode.REFUSED, {
        code: ExtendedError.NOT_AUTHORITATIVE,
        text: "not a name of this server, and recursion was not desired",
      });
    }
    const known = forwarder.find(inquiry.packet, inquiry.query);
    const told = (resolution: Resolution) =>
      isAboveOurs && resolution.rcode === Rcode.NXDOMAIN
        ? { ...resolution, rcode: Rcode.NOERROR }
        : resolution;
    if (known !== undefined) {
      return writeResolution(inquiry, out, told(known));
    }
    return this.#defer(inquiry, out, async (kept) => {
      try {
        const { packet, query, peer } = kept;
        const { octets } = peer;
        const resolution = await forwarder.resolve(packet, query, octets);
        return (out) => writeResolution(kept, out, told(resolution));
      } catch (error) {
        return (out) => this.#fail(kept, out, textOf(error));
      }
    });
  }

  /** Lets a response come later. */
  #defer(
    inquiry: Inquiry,
    out: Uint8Array,
    work: (kept: Inquiry) => Promise<Writer>,
  ): number {
    const giveUp = (kept: Inquiry): Writer => (out) =>
      this.#fail(kept, out, TOO_MANY);
    switch (this.#late.add(inquiry, work, giveUp)) {
      case "under way":
        return LATER;
      case "joined":
        return 0;
      case "refused":
        return this.#fail(inquiry, out, TOO_MANY);
    }
  }

  /** SERVFAIL that says why. */
  #fail(inquiry: Inquiry, out: Uint8Array, text: string): number {
    return this.#refuse(inquiry, out, Rcode.SERVFAIL, {
      code: ExtendedError.OTHER,
      text,
    });
  }

  /** A response without records. */
  #refuse(inquiry: Inquiry, out: Uint8Array, rcode: number, ede?: Ede): number {
    return this.#write(inquiry, out, 0, rcode, NONE, NONE, ede);
  }

  #write(
    inquiry: Inquiry,
    out: Uint8Array,
    flags: number,
    rcode: number,
    answer: Answer,
    authority: Answer,
    ede?: Ede,
  ): number {
    return writeResponse(inquiry, out, {
      flags: flags | this.#flags,
      rcode,
      answer,
      authority,
      needsAuthority: true,
      additional: NONE,
      ede: ede === undefined ? NO_ERRORS : [ede],
    });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
