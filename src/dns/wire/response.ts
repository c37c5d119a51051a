/**
 * Writing a response straight from the query's own octets: header, the question as it was asked, ready-made records,
 * and an OPT record where the query had one. For responses that are made of {@linkcode Message}s see message.ts.
 *
 * @module
 */
import {
  DO,
  EdnsOption,
  Flag,
  HEADER_SIZE,
  MAX_UDP_PAYLOAD,
  MAX_UDP_WITHOUT_EDNS,
  Opcode,
  OPCODE_MASK,
  OPCODE_SHIFT,
  RCODE_MASK,
  TsigError,
  Type,
} from "./constants.ts";
import type { Answer } from "./records.ts";
import type { Inquiry } from "./inquiry.ts";
import { readName } from "./name.ts";
import type { QueryReader } from "./query.ts";

/** Octets of an OPT record without options. */
export const OPT_SIZE = 11;
/** An Extended DNS Error's text is cut here, in octets, so that it fits in the smallest response. */
const MAX_EXTRA_TEXT = 200;

/** An Extended DNS Error (RFC 8914). */
export interface Ede {
  code: number;
  /** For people. */
  text: string;
}

/** What goes into a response beside the question. */
export interface ResponseParts {
  /** Header flags beside QR, the opcode, and RD and CD, which repeat the query's. */
  flags: number;
  /** With the upper bits that only an OPT carries. */
  rcode: number;
  answer: Answer;
  authority: Answer;
  /** Whether the response says too little without the authority section, so that TC is set where it does not fit. */
  needsAuthority: boolean;
  additional: Answer;
  /** For clients that speak EDNS. */
  ede: readonly Ede[];
}

/** The most octets that a response over UDP to this query may have. */
export function udpLimit(query: QueryReader): number {
  if (!query.edns) return MAX_UDP_WITHOUT_EDNS;
  return Math.max(
    MAX_UDP_WITHOUT_EDNS,
    Math.min(query.udpSize, MAX_UDP_PAYLOAD),
  );
}

/**
 * Writes the response to a query into `out` and returns its length. Records that do not fit are left out, and TC is
 * set when they were the answer, or the authority that it needs (RFC 2181 section 9).
 */
export function writeResponse(
  { packet, query, limit, options: ownOptions }: Inquiry,
  out: Uint8Array,
  { flags, rcode, answer, authority, needsAuthority, additional, ede }:
    ResponseParts,
): number {
  let at = query.questionEnd;
  for (let i = 0; i < at; i++) out[i] = packet[i];
  let options = query.edns ? ownOptions : undefined;
  if (query.edns) {
    // It must not be what makes an answer be cut (RFC 8914 section 3).
    const records = answer.octets.length + authority.octets.length;
    for (let i = 0; i < ede.length; i++) {
      const room = limit - at - records - OPT_SIZE - (options?.length ?? 0);
      options = Uint8Array.of(...options ?? [], ...extendedError(ede[i], room));
    }
  }
  const optSize = query.edns ? OPT_SIZE + (options?.length ?? 0) : 0;

  let answers = answer.count,
    authorities = authority.count,
    additionals = additional.count;
  if (at + answer.octets.length + optSize > limit) {
    answers = authorities = additionals = 0;
    flags |= Flag.TC;
  } else {
    out.set(answer.octets, at);
    at += answer.octets.length;
    if (at + authority.octets.length + optSize > limit) {
      authorities = additionals = 0;
      if (needsAuthority) flags |= Flag.TC;
    } else {
      out.set(authority.octets, at);
      at += authority.octets.length;
      if (at + additional.octets.length + optSize > limit) additionals = 0;
      if (additionals > 0) {
        out.set(additional.octets, at);
        at += additional.octets.length;
      }
    }
  }
  if (query.edns) at = writeOpt(out, at, query, rcode, options);

  // RD, RA and CD are about looking up names: other opcodes have no use for them.
  const isQuery = (query.flags & OPCODE_MASK) >> OPCODE_SHIFT === Opcode.QUERY;
  if (!isQuery) flags &= ~Flag.RA;
  const repeated = query.flags &
    (OPCODE_MASK | (isQuery ? Flag.RD | Flag.CD : 0));
  out[2] = (Flag.QR | repeated | flags) >> 8;
  out[3] = (repeated | flags) & 0xf0 | rcode & RCODE_MASK;
  out[4] = 0;
  out[5] = query.questionEnd > HEADER_SIZE ? 1 : 0;
  out[6] = answers >> 8;
  out[7] = answers;
  out[8] = authorities >> 8;
  out[9] = authorities;
  if (query.edns) additionals++;
  out[10] = additionals >> 8;
  out[11] = additionals;
  return at;
}

/**
 * Puts a TSIG record behind the response of `length` octets in `out`, which says that the query's key is not known here
 * and is not signed (RFC 8945 section 5.3.2). Where it does not fit the response stays as it is. Returns its length.
 */
export function addBadKey(
  { packet, query, limit }: Inquiry,
  out: Uint8Array,
  length: number,
): number {
  const { name, next } = readName(packet, query.tsigAt);
  const { name: algorithm, next: timeAt } = readName(packet, next + 10);
  const rdata = Uint8Array.of(
    ...algorithm,
    ...packet.subarray(timeAt, timeAt + 8), // time and fudge
    ...[0, 0], // no MAC
    ...packet.subarray(0, 2), // ID
    ...[0, TsigError.BADKEY, 0, 0],
  );
  const record = Uint8Array.of(
    ...name,
    ...packet.subarray(next, next + 8), // type, class and TTL
    ...[rdata.length >> 8, rdata.length & 0xff],
    ...rdata,
  );
  if (length + record.length > limit) return length;
  out.set(record, length);
  const additionals = (out[10] << 8 | out[11]) + 1;
  out[10] = additionals >> 8;
  out[11] = additionals;
  return length + record.length;
}

/** RFC 6891 section 6.1. The DO bit repeats the query's (RFC 3225 section 3). */
function writeOpt(
  out: Uint8Array,
  at: number,
  query: QueryReader,
  rcode: number,
  options: Uint8Array | undefined,
): number {
  const length = options?.length ?? 0;
  out[at++] = 0;
  out[at++] = 0;
  out[at++] = Type.OPT;
  out[at++] = MAX_UDP_PAYLOAD >> 8;
  out[at++] = MAX_UDP_PAYLOAD & 0xff;
  out[at++] = rcode >> 4;
  out[at++] = 0; // version
  out[at++] = (query.ednsFlags & DO) >> 8;
  out[at++] = 0;
  out[at++] = length >> 8;
  out[at++] = length;
  if (options !== undefined) {
    out.set(options, at);
    at += length;
  }
  return at;
}

/** The EXTENDED-ERROR option (RFC 8914 section 2) in at most `room` octets; none where not even its code fits. */
function extendedError({ code, text }: Ede, room: number): number[] {
  if (room < 6) return [];
  const extra = new Uint8Array(Math.min(MAX_EXTRA_TEXT, room - 6));
  // encodeInto never leaves half a character.
  const { written } = new TextEncoder().encodeInto(text, extra);
  return [
    0,
    EdnsOption.EXTENDED_ERROR,
    0,
    2 + written,
    code >> 8,
    code & 0xff,
    ...extra.subarray(0, written),
  ];
}

/** The NSID option (RFC 5001 section 2.3); the identifier has at most 64 octets. */
export function nsidOption(identifier: string): Uint8Array {
  const octets = new TextEncoder().encode(identifier);
  return Uint8Array.of(0, EdnsOption.NSID, 0, octets.length, ...octets);
}
