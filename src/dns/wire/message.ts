/**
 * The codec for whole messages (RFC 1035 section 4): octets to {@linkcode Message} and back.
 *
 * Strict in what it accepts where the protocol is clear, and indifferent to what it does not know: unknown types,
 * classes, flags and EDNS options pass as they are (RFC 3597, RFC 8906). Local answers do not come this way: see
 * local_answer.ts.
 *
 * @module
 */
import {
  Flag,
  HEADER_SIZE,
  MAX_MESSAGE,
  OPCODE_MASK,
  OPCODE_SHIFT,
  Rcode,
  RCODE_MASK,
  Type,
} from "./constants.ts";
import { MessageWriter } from "./message_writer.ts";
import { isSameName, type Name, readName, WireError } from "./name.ts";
import { readRdata } from "./rdata.ts";

/** An entry of the question section. */
export interface Question {
  name: Name;
  type: number;
  class: number;
}

/** A resource record. */
export interface ResourceRecord {
  name: Name;
  type: number;
  class: number;
  /** Seconds; in an OPT record the extended response code, version and flags. */
  ttl: number;
  /** Names within it are uncompressed. */
  rdata: Uint8Array;
}

/** A message. OPT records stay among the additional ones; the response code is the header's four bits. */
export interface Message {
  id: number;
  /** The header's second word with the opcode and response code left out: {@linkcode Flag} bits and the reserved one. */
  flags: number;
  opcode: number;
  rcode: number;
  questions: Question[];
  answers: ResourceRecord[];
  authorities: ResourceRecord[];
  additionals: ResourceRecord[];
}

/**
 * The most octets that the names and data of a message's records may take when they are spelled out. Names that share
 * their ends grow, but in an honest message hardly ever to twice its size.
 */
const MAX_SPELLED_OUT = 8 * MAX_MESSAGE;

/**
 * Decodes a message. Octets after its last record are an error, unless they are to be `ignored`.
 * Throws {@linkcode WireError}.
 */
export function decodeMessage(
  octets: Uint8Array,
  trailing: "refused" | "ignored" = "refused",
): Message {
  if (octets.length < HEADER_SIZE) {
    throw new WireError("a message is shorter than its header");
  }
  const word = (at: number) => octets[at] << 8 | octets[at + 1];
  const second = word(2);
  const message: Message = {
    id: word(0),
    flags: second & ~(OPCODE_MASK | RCODE_MASK),
    opcode: (second & OPCODE_MASK) >> OPCODE_SHIFT,
    rcode: second & RCODE_MASK,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
  };
  const reader = new RecordReader(octets);
  for (let count = word(4); count > 0; count--) {
    message.questions.push(reader.question());
  }
  const sections = [message.answers, message.authorities, message.additionals];
  for (const [i, section] of sections.entries()) {
    for (let count = word(6 + 2 * i); count > 0; count--) {
      section.push(reader.record());
    }
  }
  if (trailing === "refused" && reader.at !== octets.length) {
    throw new WireError("a message has octets after its last record");
  }
  checkPlaces(message);
  return message;
}

/** Reads the questions and records of a message one after the other. */
class RecordReader {
  at = HEADER_SIZE;
  readonly #octets: Uint8Array;
  readonly #view: DataView;
  /** The names that pointers alone stand for, by where they lead: most records of a message have one owner. */
  readonly #pointedTo = new Map<number, Name>();
  /** Octets that names and data may still take. */
  #room = MAX_SPELLED_OUT;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
    this.#view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  }

  question(): Question {
    const name = this.#name(), at = this.at;
    this.at += 4;
    if (this.at > this.#octets.length) {
      throw new WireError("a question runs past the end");
    }
    return {
      name,
      type: this.#view.getUint16(at),
      class: this.#view.getUint16(at + 2),
    };
  }

  record(): ResourceRecord {
    const name = this.#name(), view = this.#view, at = this.at;
    const start = at + 10;
    if (start > view.byteLength) {
      throw new WireError("a record runs past the end");
    }
    const end = this.at = start + view.getUint16(at + 8);
    if (end > view.byteLength) {
      throw new WireError("a record's data runs past the end");
    }
    const type = view.getUint16(at);
    const rdata = readRdata(this.#octets, type, start, end);
    this.#spend(rdata.length);
    return {
      name,
      type,
      class: view.getUint16(at + 2),
      ttl: view.getUint32(at + 4),
      rdata,
    };
  }

  #name(): Name {
    const octets = this.#octets, start = this.at;
    const target = octets[start] >= 0xc0
      ? (octets[start] & 0x3f) << 8 | octets[start + 1]
      : undefined;
    const known = target === undefined
      ? undefined
      : this.#pointedTo.get(target);
    if (known !== undefined) {
      this.at += 2;
      return known;
    }
    const { name, next } = readName(octets, start);
    this.#spend(name.length);
    if (target !== undefined) this.#pointedTo.set(target, name);
    this.at = next;
    return name;
  }

  #spend(octets: number): void {
    this.#room -= octets;
    if (this.#room < 0) {
      throw new WireError(
        `a message is longer than ${MAX_SPELLED_OUT} octets with its names spelled out`,
      );
    }
  }
}

/** Throws {@linkcode WireError} where a record is in a section, or at a name, that records of its type are never in. */
function checkPlaces({ answers, authorities, additionals }: Message): void {
  const isOutOfPlace = ({ type }: ResourceRecord) =>
    type === Type.OPT || type === Type.TSIG;
  if (answers.some(isOutOfPlace) || authorities.some(isOutOfPlace)) {
    throw new WireError(
      "an OPT or TSIG record is not in the additional section",
    );
  }
  let opts = 0;
  for (const [i, { name, type }] of additionals.entries()) {
    // RFC 6891 section 6.1.1
    if (type === Type.OPT && (name.length > 1 || ++opts > 1)) {
      throw new WireError("a message has two OPT records, or one with a name");
    }
    // RFC 8945 section 5.1
    if (type === Type.TSIG && i < additionals.length - 1) {
      throw new WireError("a TSIG record is not the last one");
    }
  }
}

/**
 * Encodes a message, compressing names where RFC 3597 section 4 allows it. When it does not fit in `limit` octets,
 * whole RRsets are left out from the end, but an OPT record always stays. TC is set when they were of the answer, or
 * what makes it one (RFC 2181 section 9, {@linkcode needsAuthority}).
 */
export function encodeMessage(
  message: Message,
  limit = MAX_MESSAGE,
): Uint8Array {
  const { answers, authorities, additionals } = message;
  const optAt = additionals.findIndex(({ type }) => type === Type.OPT);
  const opt = optAt < 0 ? [] : [additionals[optAt]];
  const optSize = opt.reduce((sum, { rdata }) => sum + 11 + rdata.length, 0);
  const writer = new MessageWriter();
  for (const question of message.questions) writer.question(question);
  let whole = true;
  /** Whole RRsets, as long as all fits. */
  const write = (records: readonly ResourceRecord[], limit: number): number => {
    if (!whole) return 0;
    const count = writeRecords(writer, records, limit);
    whole = count === records.length;
    return count;
  };
  const counts = [
    write(answers, limit - optSize),
    write(authorities, limit - optSize),
    write(additionals.slice(0, Math.max(0, optAt)), limit - optSize),
  ];
  for (const record of opt) writer.record(record);
  counts[2] += opt.length + write(additionals.slice(optAt + 1), limit);
  const isCut = counts[0] < answers.length ||
    counts[1] < authorities.length && needsAuthority(message);
  const octets = writer.finish();
  const view = new DataView(octets.buffer);
  view.setUint16(0, message.id);
  view.setUint16(
    2,
    message.flags | (isCut ? Flag.TC : 0) | message.opcode << OPCODE_SHIFT |
      message.rcode & RCODE_MASK,
  );
  view.setUint16(4, message.questions.length);
  counts.forEach((count, i) => view.setUint16(6 + 2 * i, count));
  return octets;
}

/** Whether a response says that there is no such name or no such data (RFC 2308 section 2), perhaps behind an alias. */
export function isNegative({ rcode, questions, answers }: Message): boolean {
  const asked = questions[0]?.type;
  return rcode === Rcode.NXDOMAIN ||
    !answers.some(({ type }) => type === asked || asked === Type.ANY);
}

/**
 * Whether a response says too little without its authority section: a negative one has the SOA record there (RFC 2308
 * section 3), and one that a wildcard made the proof that it may (RFC 4035 section 3.1.3.3).
 */
export function needsAuthority(message: Message): boolean {
  return isNegative(message) ||
    message.authorities.some(({ type }) =>
      type === Type.NSEC || type === Type.NSEC3
    );
}

/** Writes as many whole RRsets, neighbouring records of one name, type and class, as fit; returns how many records. */
function writeRecords(
  writer: MessageWriter,
  records: readonly ResourceRecord[],
  limit: number,
): number {
  let first = 0, end = writer.length;
  for (const [i, record] of records.entries()) {
    if (!isSameSet(records[first], record)) {
      first = i;
      end = writer.length;
    }
    writer.record(record);
    if (writer.length > limit) {
      writer.truncate(end);
      return first;
    }
  }
  return records.length;
}

function isSameSet(one: ResourceRecord, other: ResourceRecord): boolean {
  return one.type === other.type && one.class === other.class &&
    isSameName(one.name, other.name);
}
