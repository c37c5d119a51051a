/**
 * The packets that go upstream, and which of those that come back count.
 *
 * An ID, a source port and the case of the question's letters are all random, and all must come back (RFC 5452 section
 * 9.1, draft-vixie-dnsext-dns0x20): that is what a forger who cannot see the query would have to guess.
 *
 * @module
 */
import {
  DO,
  Flag,
  HEADER_SIZE,
  MAX_UDP_PAYLOAD,
  OPCODE_MASK,
  Rcode,
  RCODE_MASK,
  Type,
} from "../wire/constants.ts";
import type { Message } from "../wire/message.ts";
import { LOWER } from "../wire/name.ts";
import type { QueryReader } from "../wire/query.ts";

/** Octets of type and class behind a question's name. */
const TYPE_AND_CLASS = 4;
const OPT = Uint8Array.of(
  ...[0, 0, Type.OPT, MAX_UDP_PAYLOAD >> 8, MAX_UDP_PAYLOAD & 0xff],
  ...[0, 0, 0, 0, 0, 0],
);
/** Where DO stands in the record above. */
const OPT_FLAGS = 7;

/** What is asked of upstream for any number of clients. */
export interface UpstreamQuestion {
  /** Name in lower case, type and class: the question section. */
  octets: Uint8Array;
  type: number;
  /** RD and CD of the clients' queries. */
  flags: number;
  /** Whether the clients understand DNSSEC: the DO bit. */
  dnssecOk: boolean;
}

/** What to ask for a client's query. */
export function upstreamQuestion(
  packet: Uint8Array,
  query: QueryReader,
): UpstreamQuestion {
  const octets = packet.slice(HEADER_SIZE, query.questionEnd);
  for (let i = 0; i < octets.length - TYPE_AND_CLASS; i++) {
    octets[i] = LOWER[octets[i]];
  }
  return {
    octets,
    type: query.type,
    flags: query.flags & (Flag.RD | Flag.CD),
    dnssecOk: query.edns && (query.ednsFlags & DO) !== 0,
  };
}

/** A query with an ID and a case of its own, and an OPT record if the server takes one. */
export function upstreamQuery(
  { octets, flags, dnssecOk }: UpstreamQuestion,
  edns: boolean,
): Uint8Array<ArrayBuffer> {
  const end = HEADER_SIZE + octets.length;
  const packet = new Uint8Array(end + (edns ? OPT.length : 0));
  const nameLength = octets.length - TYPE_AND_CLASS;
  const random = new Uint8Array(2 + Math.ceil(nameLength / 8));
  crypto.getRandomValues(random);
  packet.set(random.subarray(0, 2));
  packet[2] = flags >> 8;
  packet[3] = flags;
  packet[5] = 1;
  packet.set(octets, HEADER_SIZE);
  for (let i = 0; i < nameLength; i++) {
    const isLetter = octets[i] >= 0x61 && octets[i] <= 0x7a; // no length octet is: labels have at most 63
    if (isLetter && random[2 + (i >> 3)] >> (i & 7) & 1) {
      packet[HEADER_SIZE + i] -= 0x20;
    }
  }
  if (edns) {
    packet[11] = 1;
    packet.set(OPT, end);
    if (dnssecOk) packet[end + OPT_FLAGS] = DO >> 8;
  }
  return packet;
}

/** What a packet is to the query it may be the reply to. */
export const Match = {
  /** Nothing. */
  NONE: 0,
  /** Its reply, but for the case of the question. */
  OTHER_CASE: 1,
  /** An error that repeats nothing of the question: who forges it needs to guess no more than port and ID. */
  BARE_ERROR: 2,
  /** Its reply. */
  REPLY: 3,
} as const;
export type Match = typeof Match[keyof typeof Match];

/** Compares a packet with a query of `questionLength` octets of question. Who sent it is the caller's to compare. */
export function matchReply(
  packet: Uint8Array,
  query: Uint8Array,
  questionLength: number,
): Match {
  if (packet.length < HEADER_SIZE) return Match.NONE;
  const flags = packet[2] << 8 | packet[3];
  if (
    packet[0] !== query[0] || packet[1] !== query[1] ||
    (flags & Flag.QR) === 0 || (flags & OPCODE_MASK) !== 0
  ) {
    return Match.NONE;
  }
  const questions = packet[4] << 8 | packet[5];
  if (questions === 0 && !isAnswer(flags & RCODE_MASK)) {
    // Some servers that cannot read a query repeat nothing of it.
    return Match.BARE_ERROR;
  }
  const end = HEADER_SIZE + questionLength;
  if (questions !== 1 || packet.length < end) return Match.NONE;
  let match: Match = Match.REPLY;
  for (let i = HEADER_SIZE; i < end; i++) {
    if (packet[i] === query[i]) continue;
    const isName = i < end - TYPE_AND_CLASS;
    if (!isName || LOWER[packet[i]] !== LOWER[query[i]]) return Match.NONE;
    match = Match.OTHER_CASE;
  }
  return match;
}

/** Whether letters of the question were put in capitals: only then does the case of a reply say something. */
export function hasCapitals(
  query: Uint8Array,
  { octets }: UpstreamQuestion,
): boolean {
  return octets.some((octet, i) => octet !== query[HEADER_SIZE + i]);
}

/** Whether a response code tells of the name that was asked for, not of the server (YXDOMAIN: RFC 6672 section 2.2). */
export function isAnswer(rcode: number): boolean {
  return rcode === Rcode.NOERROR || rcode === Rcode.NXDOMAIN ||
    rcode === Rcode.YXDOMAIN;
}

/** The whole response code: an OPT record has the upper bits (RFC 6891 section 6.1.3). */
export function rcodeOf({ rcode, additionals }: Message): number {
  const opt = additionals.find(({ type }) => type === Type.OPT);
  return rcode | (opt === undefined ? 0 : opt.ttl >>> 24 << 4);
}
