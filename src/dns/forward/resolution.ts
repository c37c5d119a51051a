/**
 * What upstream said about a question, in the form it is kept in and given out again and again: records in wire format
 * and where their TTLs stand in it, so that an answer from the cache is a copy with a few numbers changed.
 *
 * For how long it may be kept is decided here (RFC 2308, RFC 8767, RFC 9520); where it is kept is cache.ts.
 *
 * @module
 */
import { type Answer, NONE } from "../wire/records.ts";
import {
  EdnsOption,
  ExtendedError,
  Flag,
  HEADER_SIZE,
  Rcode,
  Type,
} from "../wire/constants.ts";
import type { Inquiry } from "../wire/inquiry.ts";
import {
  encodeMessage,
  isNegative,
  type Message,
  needsAuthority,
  type ResourceRecord,
} from "../wire/message.ts";
import { readName } from "../wire/name.ts";
import {
  type Ede,
  type ResponseParts,
  writeResponse,
} from "../wire/response.ts";
import type { UpstreamQuestion } from "./upstream_query.ts";

/** Seconds that anything is kept at the most (RFC 8767 section 4). */
const MAX_TTL = 604_800;
/** Seconds that a name or type is taken not to exist at the most (RFC 2308 section 5). */
const MAX_NEGATIVE_TTL = 10_800;
/** Seconds that a failure is kept: at first, and when it lasts (RFC 9520 section 3.2 allows five minutes). */
const FAILURE_TTL = 5, MAX_FAILURE_TTL = 30;
/** The TTL of a record that is given out after its own is over (RFC 8767 section 4). */
const STALE_TTL = 30;
/** How many Extended DNS Errors of upstream's are passed on. */
const MAX_ERRORS = 3;

/** A response to a question but for what differs from client to client. */
export interface Resolution extends ResponseParts {
  ede: readonly Ede[];
  /** Octets from the start of a message to each record's TTL, in order. */
  ttlOffsets: Uint16Array;
  /** Seconds that it may be kept; 0 is for those who asked, and nobody else. */
  lifetime: number;
  /** Whether it tells of trouble rather than of the name. */
  isFailure: boolean;
  /** Whole seconds since it was made: set by the cache when it gives it out. */
  age: number;
}

/** What to keep and give out of a response that is an answer. */
export function resolutionOf(
  reply: Message,
  question: UpstreamQuestion,
): Resolution {
  const negative = isNegative(reply);
  const soa = reply.authorities.find(({ type }) => type === Type.SOA);
  let shortest = Infinity;
  const capped = (records: readonly ResourceRecord[]) =>
    records.map(({ name, type, class: klass, ttl, rdata }) => {
      const isNegativeSoa = negative && type === Type.SOA;
      ttl = Math.min(ttl, isNegativeSoa ? negativeTtlOf(ttl, rdata) : MAX_TTL);
      shortest = Math.min(shortest, ttl);
      return { name, type, class: klass, ttl, rdata };
    });
  const answers = capped(reply.answers),
    authorities = capped(reply.authorities),
    additionals = capped(
      reply.additionals.filter(({ type }) =>
        type !== Type.OPT && type !== Type.TSIG
      ),
    );
  const octets = encodeMessage({
    ...reply,
    id: 0,
    flags: 0,
    questions: [{
      ...readName(question.octets, 0),
      type: question.type,
      class: reply.questions[0].class,
    }],
    answers,
    authorities,
    additionals,
  });
  const sections = readSections(octets, HEADER_SIZE + question.octets.length);
  const isCut = (octets[2] & Flag.TC >> 8) !== 0;
  const isKept = !isCut && reply.rcode !== Rcode.YXDOMAIN &&
    (!negative || soa !== undefined);
  return {
    ...sections,
    flags: Flag.RA | (isCut ? Flag.TC : 0),
    rcode: reply.rcode,
    needsAuthority: needsAuthority(reply),
    ede: errorsOf(reply),
    lifetime: isKept ? shortest : 0,
    isFailure: false,
    age: 0,
  };
}

/** RFC 2308 section 5: the SOA record's own TTL or its last field, whatever is less, and not for too long. */
function negativeTtlOf(ttl: number, rdata: Uint8Array): number {
  const minimum = rdata.length < 4
    ? 0
    : new DataView(rdata.buffer, rdata.byteOffset).getUint32(rdata.length - 4);
  return Math.min(ttl, minimum, MAX_NEGATIVE_TTL);
}

/** The sections of a message of ours whose records begin at `start`. */
function readSections(
  octets: Uint8Array,
  start: number,
): Pick<Resolution, "answer" | "authority" | "additional" | "ttlOffsets"> {
  const view = new DataView(octets.buffer, octets.byteOffset);
  const offsets: number[] = [];
  let at = start;
  const section = (index: number): Answer => {
    const begin = at, count = view.getUint16(4 + 2 * index);
    for (let i = 0; i < count; i++) {
      while (octets[at] > 0 && octets[at] < 0xc0) at += 1 + octets[at];
      at += (octets[at] === 0 ? 1 : 2) + 4; // the root or a pointer, type and class
      offsets.push(at);
      at += 6 + view.getUint16(at + 4);
    }
    return count === 0 ? NONE : { count, octets: octets.subarray(begin, at) };
  };
  return {
    answer: section(1),
    authority: section(2),
    additional: section(3),
    ttlOffsets: Uint16Array.from(offsets),
  };
}

/** The Extended DNS Errors in a response: they are for the client to see (RFC 8914 section 3). */
function errorsOf({ additionals }: Message): Ede[] {
  const options = additionals.find(({ type }) => type === Type.OPT)?.rdata ??
    new Uint8Array(0);
  const word = (at: number) => options[at] << 8 | options[at + 1];
  const errors: Ede[] = [], decoder = new TextDecoder();
  for (let at = 0; at + 4 <= options.length && errors.length < MAX_ERRORS;) {
    const end = at + 4 + word(at + 2);
    if (end > options.length) break;
    if (word(at) === EdnsOption.EXTENDED_ERROR && end >= at + 6) {
      const text = decoder.decode(options.subarray(at + 6, end));
      errors.push({ code: word(at + 4), text });
    }
    at = end;
  }
  return errors;
}

/** A response code and why, for those who asked. */
export function withoutRecords(
  rcode: number,
  ede: readonly Ede[],
): Resolution {
  return {
    flags: Flag.RA,
    rcode,
    answer: NONE,
    authority: NONE,
    needsAuthority: true,
    additional: NONE,
    ede,
    ttlOffsets: new Uint16Array(0),
    lifetime: 0,
    isFailure: false,
    age: 0,
  };
}

/** A failure, which is kept for longer each time it follows one (RFC 9520 section 3.2). */
export function failureOf(
  rcode: number,
  ede: readonly Ede[],
  previous: Resolution | undefined,
): Resolution {
  const lifetime = previous?.isFailure
    ? Math.min(2 * previous.lifetime, MAX_FAILURE_TTL)
    : FAILURE_TTL;
  return { ...withoutRecords(rcode, ede), lifetime, isFailure: true };
}

/** The failure that an upstream's response tells of. What is wrong with our own query is not the client's fault. */
export function failureOfReply(
  reply: Message,
  previous: Resolution | undefined,
): Resolution {
  const rcode = reply.rcode === Rcode.REFUSED ? Rcode.REFUSED : Rcode.SERVFAIL;
  return failureOf(rcode, errorsOf(reply), previous);
}

/** The same after its time, told as such (RFC 8767, RFC 8914 sections 4.4 and 4.20). */
export function staleOf(resolution: Resolution): Resolution {
  const code = resolution.rcode === Rcode.NXDOMAIN
    ? ExtendedError.STALE_NXDOMAIN_ANSWER
    : ExtendedError.STALE_ANSWER;
  return { ...resolution, ede: [{ code, text: "" }] };
}

/** Writes a response into `out` and returns its length. */
export function writeResolution(
  inquiry: Inquiry,
  out: Uint8Array,
  resolution: Resolution,
): number {
  const length = writeResponse(inquiry, out, resolution);
  const { age, ttlOffsets } = resolution;
  if (age === 0) return length;
  // What did not fit is missing from the end; the OPT record is none of upstream's.
  const records = (out[6] << 8 | out[7]) + (out[8] << 8 | out[9]) +
    (out[10] << 8 | out[11]) - (inquiry.query.edns ? 1 : 0);
  for (let i = 0; i < records; i++) {
    const at = ttlOffsets[i];
    const ttl = out[at] << 24 | out[at + 1] << 16 | out[at + 2] << 8 |
      out[at + 3];
    const left = ttl > age ? ttl - age : STALE_TTL;
    out[at] = left >>> 24;
    out[at + 1] = left >>> 16;
    out[at + 2] = left >>> 8;
    out[at + 3] = left;
  }
  return length;
}
