/**
 * Reading a query: just what is needed to answer it, with nothing allocated, since every packet comes this way.
 *
 * The whole message is walked, so that what is malformed anywhere is refused, names within records too; but only the
 * question and the OPT record say how it is answered.
 *
 * @module
 */
import {
  EdnsOption,
  Flag,
  HEADER_SIZE,
  Opcode,
  OPCODE_MASK,
  OPCODE_SHIFT,
  Type,
} from "./constants.ts";
import {
  copyName,
  hashNameAt,
  LOWER,
  MAX_LABEL,
  MAX_NAME,
  skipName,
  WireError,
} from "./name.ts";
import { namesInRdata } from "./rdata.ts";

/** What {@linkcode QueryReader.read} made of a packet. */
export const Verdict = {
  /** To be answered; all fields are set. */
  ANSWER: 0,
  /** No query: too short for a header, or a response (which never gets a response, so that nothing loops). */
  DROP: 1,
  /** Malformed: FORMERR. */
  FORMERR: 2,
  /** An opcode other than QUERY: NOTIMP. */
  NOTIMP: 3,
  /** An EDNS version other than 0: BADVERS (RFC 6891 section 6.1.3). */
  BADVERS: 4,
  /** No question, but a COOKIE option: a server cookie is all it wants (RFC 7873 section 5.4). */
  COOKIE: 5,
  /** Signed with a key, and there are none here: NOTAUTH (RFC 8945 section 5.2.1). */
  SIGNED: 6,
} as const;
export type Verdict = typeof Verdict[keyof typeof Verdict];

/** The query read last. One reader serves all packets: copy what is needed later. */
export class QueryReader {
  /** The header's second word. */
  flags = 0;
  /** Octets of header and question, 12 where there is no question that can be repeated in a response. */
  questionEnd = HEADER_SIZE;
  /** `hashName` of the question's name, which stands at octet 12 and is uncompressed. */
  hash = 0;
  type = 0;
  class = 0;
  /** Whether the query has an OPT record; the fields below mean something only then. */
  edns = false;
  /** The largest UDP payload the client takes; below 512 means 512 (RFC 6891 section 6.2.3). */
  udpSize = 512;
  /** The upper half of the OPT's TTL and its flags, {@linkcode DO} among them. */
  ednsFlags = 0;
  /** Where the COOKIE option's data stands, and its length; 0 without one. */
  cookieAt = 0;
  cookieLength = 0;
  /** Whether an NSID was asked for (RFC 5001). */
  nsid = false;
  /** Where the TSIG record begins; 0 without one. */
  tsigAt = 0;

  /** Reads a packet. */
  read(packet: Uint8Array): Verdict {
    this.questionEnd = HEADER_SIZE;
    this.edns = false;
    this.tsigAt = 0;
    if (packet.length < HEADER_SIZE) return Verdict.DROP;
    const flags = this.flags = packet[2] << 8 | packet[3];
    if (flags & Flag.QR) return Verdict.DROP;
    if ((flags & OPCODE_MASK) >> OPCODE_SHIFT !== Opcode.QUERY) {
      return Verdict.NOTIMP;
    }
    // More than one question is malformed (RFC 9619), and none is but for one exception.
    if (packet[4] !== 0 || packet[5] > 1) return Verdict.FORMERR;
    const isQuestion = packet[5] === 1;
    if (isQuestion && !this.#question(packet)) return Verdict.FORMERR;
    const others = (packet[6] << 8 | packet[7]) + (packet[8] << 8 | packet[9]);
    const additionals = packet[10] << 8 | packet[11];
    let at = this.questionEnd;
    if (others + additionals > 0) {
      at = this.#records(packet, at, others, additionals);
      if (at < 0) return Verdict.FORMERR;
    }
    if (at !== packet.length) return Verdict.FORMERR;
    if (this.edns && (this.ednsFlags >>> 16 & 0xff) !== 0) {
      return Verdict.BADVERS;
    }
    if (this.tsigAt > 0) return Verdict.SIGNED;
    if (isQuestion) return Verdict.ANSWER;
    return this.edns && this.cookieLength > 0
      ? Verdict.COOKIE
      : Verdict.FORMERR;
  }

  #question(packet: Uint8Array): boolean {
    let at = HEADER_SIZE;
    const last = Math.min(packet.length - 4, HEADER_SIZE + MAX_NAME);
    for (;;) {
      if (at >= last) return false;
      const length = packet[at];
      at++;
      if (length === 0) break;
      // No pointer can lead backward from the first name of a message.
      if (length > MAX_LABEL) return false;
      const end = at + length;
      if (end > last) return false;
      at = end;
    }
    this.hash = hashNameAt(packet, HEADER_SIZE, at);
    this.type = packet[at] << 8 | packet[at + 1];
    this.class = packet[at + 2] << 8 | packet[at + 3];
    // A question asks for data; OPT is none (RFC 6891 section 6.1.1).
    if (this.type === Type.OPT) return false;
    this.questionEnd = at + 4;
    return true;
  }

  /** Walks the records after the question; returns where they end, or -1. */
  #records(
    packet: Uint8Array,
    start: number,
    others: number,
    additionals: number,
  ): number {
    let at = start;
    for (let i = 0; i < others + additionals; i++) {
      const isRoot = packet[at] === 0, recordAt = at;
      at = skipOwner(packet, at);
      if (at < 0 || at + 10 > packet.length) return -1;
      const end = at + 10 + (packet[at + 8] << 8 | packet[at + 9]);
      if (end > packet.length) return -1;
      const type = packet[at] << 8 | packet[at + 1];
      if (type === Type.OPT) {
        // One OPT at most, owned by the root, among the additional records (RFC 6891 section 6.1.1).
        if (this.edns || !isRoot || i < others) return -1;
        this.edns = true;
        this.udpSize = packet[at + 2] << 8 | packet[at + 3];
        this.ednsFlags = packet[at + 4] << 24 | packet[at + 5] << 16 |
          packet[at + 6] << 8 | packet[at + 7];
        if (!this.#options(packet, at + 10, end)) return -1;
      } else if (!isRdataRight(packet, type, at + 10, end)) {
        return -1;
      } else if (type === Type.TSIG) {
        // The last record of all (RFC 8945 section 5.1).
        if (i < others || i < others + additionals - 1) return -1;
        this.tsigAt = recordAt;
      }
      at = end;
    }
    return at;
  }

  #options(packet: Uint8Array, start: number, end: number): boolean {
    this.cookieLength = 0;
    this.nsid = false;
    for (let at = start; at < end;) {
      if (at + 4 > end) return false;
      const code = packet[at] << 8 | packet[at + 1];
      const length = packet[at + 2] << 8 | packet[at + 3];
      at += 4;
      if (at + length > end) return false;
      if (code === EdnsOption.COOKIE && this.cookieLength === 0) {
        // Client cookie of 8 octets, alone or with a server cookie of 8 to 32 (RFC 7873 section 5.2.2).
        if (length !== 8 && (length < 16 || length > 40)) return false;
        this.cookieAt = at;
        this.cookieLength = length;
      } else if (code === EdnsOption.NSID) {
        this.nsid = true;
      }
      at += length;
    }
    return true;
  }
}

/** Where names are spelled out to see whether they can be. */
const spelledOut = new Uint8Array(MAX_NAME);

/** Where the record that begins at `at` has its type, or -1 where its owner is malformed. */
function skipOwner(packet: Uint8Array, at: number): number {
  if (packet[at] === 0) return at + 1;
  try {
    copyName(packet, at, spelledOut, 0);
    return skipName(packet, at);
  } catch (error) {
    if (error instanceof WireError) return -1;
    throw error;
  }
}

/** Whether the RDATA of a record of that type has the names that it should have. */
function isRdataRight(
  packet: Uint8Array,
  type: number,
  start: number,
  end: number,
): boolean {
  try {
    for (const name of namesInRdata(packet, type, start, end)) {
      copyName(packet, name, spelledOut, 0);
    }
    return true;
  } catch (error) {
    if (error instanceof WireError) return false;
    throw error;
  }
}

/**
 * The last two labels of the question's name, in lower case: about what one party has in the DNS. Where it is less than
 * that (co.uk), those who share it share only what happens to the one with the most places.
 */
export function domainOf(packet: Uint8Array): string {
  let last = HEADER_SIZE, begin = HEADER_SIZE, end = HEADER_SIZE;
  for (; packet[end] !== 0; end += 1 + packet[end]) {
    begin = last;
    last = end;
  }
  let domain = "@";
  for (let at = begin; at < end; at++) {
    domain += String.fromCharCode(LOWER[packet[at]]);
  }
  return domain;
}
