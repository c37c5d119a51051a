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
  RCODE_MASK,
  Type,
} from "./constants.ts";
import { type Name, nameKey, readName, WireError } from "./name.ts";

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

/** In RDATA: where names stand that a sender may have compressed (RFC 1035 section 3.3, RFC 3597 section 4). */
interface NamesIn {
  /** Octets before the first name. */
  before: number;
  /** How many names follow one another. */
  names: number;
}
const NAMES_IN_RDATA: ReadonlyMap<number, NamesIn> = new Map([
  [Type.NS, { before: 0, names: 1 }],
  [Type.MD, { before: 0, names: 1 }],
  [Type.MF, { before: 0, names: 1 }],
  [Type.CNAME, { before: 0, names: 1 }],
  [Type.SOA, { before: 0, names: 2 }],
  [Type.MB, { before: 0, names: 1 }],
  [Type.MG, { before: 0, names: 1 }],
  [Type.MR, { before: 0, names: 1 }],
  [Type.PTR, { before: 0, names: 1 }],
  [Type.MINFO, { before: 0, names: 2 }],
  [Type.MX, { before: 2, names: 1 }],
  // Not to be compressed by a sender, but to be understood where one did it (RFC 3597 section 4).
  [Type.SRV, { before: 6, names: 1 }],
]);

/** The types whose RDATA a sender may compress: those of RFC 1035 alone (RFC 3597 section 4). */
const isCompressible = (type: number) => type <= Type.MX;

/** Decodes a message. Octets after its last record are an error. Throws {@linkcode WireError}. */
export function decodeMessage(octets: Uint8Array): Message {
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
  let at = HEADER_SIZE;
  for (let count = word(4); count > 0; count--) {
    const { name, next } = readName(octets, at);
    if (next + 4 > octets.length) {
      throw new WireError("a question runs past the end");
    }
    message.questions.push({ name, type: word(next), class: word(next + 2) });
    at = next + 4;
  }
  const sections = [message.answers, message.authorities, message.additionals];
  for (const [i, section] of sections.entries()) {
    for (let count = word(6 + 2 * i); count > 0; count--) {
      const { record, next } = readRecord(octets, at);
      section.push(record);
      at = next;
    }
  }
  if (at !== octets.length) {
    throw new WireError("a message has octets after its last record");
  }
  return message;
}

/** Reads the record at `offset` of a message, and says where the next one begins. Throws {@linkcode WireError}. */
export function readRecord(
  octets: Uint8Array,
  offset: number,
): { record: ResourceRecord; next: number } {
  const { name, next } = readName(octets, offset);
  const start = next + 10;
  if (start > octets.length) throw new WireError("a record runs past the end");
  const view = new DataView(octets.buffer, octets.byteOffset + next);
  const type = view.getUint16(0);
  const end = start + view.getUint16(8);
  if (end > octets.length) {
    throw new WireError("a record's data runs past the end");
  }
  return {
    record: {
      name,
      type,
      class: view.getUint16(2),
      ttl: view.getUint32(4),
      rdata: readRdata(octets, type, start, end),
    },
    next: end,
  };
}

/** RDATA with its names uncompressed. */
function readRdata(
  octets: Uint8Array,
  type: number,
  start: number,
  end: number,
): Uint8Array {
  const shape = NAMES_IN_RDATA.get(type);
  // Empty RDATA is what UPDATE has in its prerequisites (RFC 2136 section 2.4); it holds no name.
  if (shape === undefined || start === end) return octets.slice(start, end);
  const parts = [octets.subarray(start, start + shape.before)];
  let at = start + shape.before;
  for (let i = 0; i < shape.names; i++) {
    const { name, next } = readName(octets, at);
    parts.push(name);
    at = next;
  }
  if (at > end) {
    throw new WireError("a name in a record's data runs past its end");
  }
  parts.push(octets.subarray(at, end));
  return concat(parts);
}

function concat(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Encodes a message, compressing names where RFC 3597 section 4 allows it. When it does not fit in `limit` octets,
 * whole RRsets are left out from the end and TC is set (RFC 2181 section 9), but an OPT record always stays.
 */
export function encodeMessage(
  message: Message,
  limit = MAX_MESSAGE,
): Uint8Array {
  const whole = new MessageWriter();
  for (const question of message.questions) whole.question(question);
  for (const record of message.answers) whole.record(record);
  for (const record of message.authorities) whole.record(record);
  for (const record of message.additionals) whole.record(record);
  if (whole.length <= limit) {
    return whole.finish(message, [
      message.questions.length,
      message.answers.length,
      message.authorities.length,
      message.additionals.length,
    ], 0);
  }

  const opt = message.additionals.filter((record) => record.type === Type.OPT);
  const optSize = opt.reduce(
    (sum, record) => sum + record.name.length + 10 + record.rdata.length,
    0,
  );
  const cut = new MessageWriter();
  const kept = writeSections(
    cut,
    {
      ...message,
      additionals: message.additionals.filter((record) =>
        record.type !== Type.OPT
      ),
    },
    limit - optSize,
  );
  for (const record of opt) cut.record(record);
  // Leaving out additional records alone is no truncation (RFC 2181 section 9).
  const lost = kept[1] < message.answers.length ||
    kept[2] < message.authorities.length;
  return cut.finish(
    message,
    [kept[0], kept[1], kept[2], kept[3] + opt.length],
    lost ? Flag.TC : 0,
  );
}

type Counts = [
  questions: number,
  answers: number,
  authorities: number,
  additionals: number,
];

/** Writes as many whole RRsets as fit, in order. */
function writeSections(
  writer: MessageWriter,
  message: Message,
  limit: number,
): Counts {
  for (const question of message.questions) writer.question(question);
  const counts: Counts = [message.questions.length, 0, 0, 0];
  const sections = [message.answers, message.authorities, message.additionals];
  for (const [i, section] of sections.entries()) {
    for (const rrset of rrsets(section)) {
      const before = writer.length;
      for (const record of rrset) writer.record(record);
      if (writer.length > limit) {
        writer.truncate(before);
        return counts;
      }
      counts[i + 1] += rrset.length;
    }
  }
  return counts;
}

/** Neighbouring records of one name, type and class. */
function* rrsets(
  records: readonly ResourceRecord[],
): Generator<ResourceRecord[]> {
  const key = (record: ResourceRecord) =>
    `${record.type} ${record.class} ${nameKey(record.name)}`;
  for (let i = 0; i < records.length;) {
    let end = i + 1;
    while (end < records.length && key(records[end]) === key(records[i])) end++;
    yield records.slice(i, end);
    i = end;
  }
}

/** A pointer has 14 bits for its target (RFC 1035 section 4.1.4). */
const MAX_POINTER_TARGET = 0x3fff;

/** Where messages are put together, one at a time; a larger one moves to a buffer of its own. */
const scratch = new Uint8Array(4096);

/** Builds a message in a buffer that grows. One writer is done with before the next one is made. */
class MessageWriter {
  #octets = scratch;
  #length = HEADER_SIZE;
  /** Where each name, by {@linkcode nameKey}, was written first. */
  #names = new Map<string, number>();

  /** Octets written. */
  get length(): number {
    return this.#length;
  }

  /** Takes away what was written at `length` and after it. */
  truncate(length: number): void {
    this.#length = length;
    for (const [key, target] of this.#names) {
      if (target >= length) this.#names.delete(key);
    }
  }

  question(question: Question): void {
    this.#name(question.name);
    this.#u16(question.type);
    this.#u16(question.class);
  }

  record(record: ResourceRecord): void {
    this.#name(record.name);
    this.#u16(record.type);
    this.#u16(record.class);
    this.#u16(record.ttl >>> 16);
    this.#u16(record.ttl & 0xffff);
    const size = this.#length;
    this.#u16(0);
    this.#rdata(record);
    const length = this.#length - size - 2;
    if (length > 0xffff) {
      throw new WireError("a record's data is longer than 65535 octets");
    }
    this.#octets[size] = length >> 8;
    this.#octets[size + 1] = length;
  }

  /** The message's octets, with its header and `flags` beside its own. */
  finish(message: Message, counts: Counts, flags: number): Uint8Array {
    const octets = this.#octets.slice(0, this.#length);
    const view = new DataView(octets.buffer);
    view.setUint16(0, message.id);
    view.setUint16(
      2,
      message.flags | flags | message.opcode << OPCODE_SHIFT |
        message.rcode & RCODE_MASK,
    );
    counts.forEach((count, i) => view.setUint16(4 + 2 * i, count));
    return octets;
  }

  #rdata({ type, rdata }: ResourceRecord): void {
    const shape = isCompressible(type) && rdata.length > 0
      ? NAMES_IN_RDATA.get(type)
      : undefined;
    if (shape === undefined) return this.#bytes(rdata);
    this.#bytes(rdata.subarray(0, shape.before));
    let at = shape.before;
    for (let i = 0; i < shape.names; i++) {
      const { name, next } = readName(rdata, at);
      this.#name(name);
      at = next;
    }
    this.#bytes(rdata.subarray(at));
  }

  #name(name: Name): void {
    for (let at = 0; name[at] !== 0; at += 1 + name[at]) {
      const key = nameKey(name.subarray(at));
      const target = this.#names.get(key);
      if (target !== undefined) return this.#u16(0xc000 | target);
      if (this.#length <= MAX_POINTER_TARGET) {
        this.#names.set(key, this.#length);
      }
      this.#bytes(name.subarray(at, at + 1 + name[at]));
    }
    this.#bytes(name.subarray(-1));
  }

  #u16(value: number): void {
    this.#reserve(2);
    this.#octets[this.#length++] = value >> 8;
    this.#octets[this.#length++] = value;
  }

  #bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#octets.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#octets.length) return;
    const larger = new Uint8Array(2 * (this.#length + count));
    larger.set(this.#octets);
    this.#octets = larger;
  }
}
