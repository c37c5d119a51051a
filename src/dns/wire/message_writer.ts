/**
 * Writing a message record by record, with names compressed (RFC 1035 section 4.1.4).
 *
 * The work is bounded by the octets that are written, whoever chose the names: each octet of a name is hashed once, and
 * a name that would take long to find among those before it is not compressed.
 *
 * @module
 */
import { HEADER_SIZE } from "./constants.ts";
import type { Question, ResourceRecord } from "./message.ts";
import { hashLabel, LOWER, MAX_LABELS, WireError } from "./name.ts";
import { isCompressible, namesInRdata } from "./rdata.ts";

/** A pointer has 14 bits for its target. */
const MAX_POINTER_TARGET = 0x3fff;
/** How many names can begin where a pointer leads to: each takes two octets at least. */
const MAX_SUFFIXES = (MAX_POINTER_TARGET + 1) / 2;
const BUCKETS = 1024;
/** How many names of a bucket are looked at. */
const MAX_LOOKS = 32;
const NONE = -1;

/** What writers share: one is done with before the next one is made. A larger message moves to a buffer of its own. */
const scratch = new Uint8Array(4096);
/** The names written, and those they end with, as chains of a hash table. */
const buckets = new Int16Array(BUCKETS);
const chain = new Int16Array(MAX_SUFFIXES);
const hashes = new Int32Array(MAX_SUFFIXES);
const offsets = new Uint16Array(MAX_SUFFIXES);
/** Where each label of the name that is being written begins, and the hash of the name from there on. */
const starts = new Uint8Array(MAX_LABELS);
const suffixHashes = new Int32Array(MAX_LABELS);

/** Puts a message together in a buffer that grows. */
export class MessageWriter {
  #octets: Uint8Array = scratch;
  #length = HEADER_SIZE;
  /** How many entries of the hash table are in use. */
  #suffixes = 0;

  constructor() {
    buckets.fill(NONE);
  }

  /** Octets written. */
  get length(): number {
    return this.#length;
  }

  /** Takes away what was written at `length` and after it. */
  truncate(length: number): void {
    this.#length = length;
    while (
      this.#suffixes > 0 && offsets[this.#suffixes - 1] >= length
    ) {
      const last = --this.#suffixes;
      buckets[hashes[last] & BUCKETS - 1] = chain[last];
    }
  }

  question(question: Question): void {
    this.#name(question.name, 0);
    this.#u16(question.type);
    this.#u16(question.class);
  }

  /** Throws {@linkcode WireError} where the RDATA has not the fields of its type, or is too long. */
  record(record: ResourceRecord): void {
    this.#name(record.name, 0);
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

  /** The message, with its header still to be written. */
  finish(): Uint8Array {
    return this.#octets.slice(0, this.#length);
  }

  #rdata({ type, rdata }: ResourceRecord): void {
    let at = 0;
    if (isCompressible(type)) {
      for (const name of namesInRdata(rdata, type, 0, rdata.length)) {
        this.#copy(rdata, at, name);
        at = this.#name(rdata, name);
      }
    }
    this.#copy(rdata, at, rdata.length);
  }

  /** Writes the name that stands spelled out at `start`, and returns where it ends there. */
  #name(octets: Uint8Array, start: number): number {
    let labels = 0, end = start;
    for (; octets[end] !== 0; end += 1 + octets[end]) {
      starts[labels++] = end - start;
    }
    let hash = 0;
    for (let i = labels - 1; i >= 0; i--) {
      hash = hashLabel(hash, octets, start + starts[i]);
      suffixHashes[i] = hash;
    }
    for (let i = 0; i < labels; i++) {
      const at = start + starts[i];
      const target = this.#find(suffixHashes[i], octets, at);
      if (target !== NONE) {
        this.#u16(0xc000 | target);
        return end + 1;
      }
      this.#note(suffixHashes[i]);
      this.#copy(octets, at, at + 1 + octets[at]);
    }
    this.#copy(octets, end, end + 1);
    return end + 1;
  }

  /** Where a name was written that is the same as the one at `at` of `octets`. */
  #find(hash: number, octets: Uint8Array, at: number): number {
    let entry = buckets[hash & BUCKETS - 1];
    for (let looks = 0; entry !== NONE && looks < MAX_LOOKS; looks++) {
      if (hashes[entry] === hash) {
        // Another name with that hash is none that comes by chance.
        return this.#isAt(offsets[entry], octets, at) ? offsets[entry] : NONE;
      }
      entry = chain[entry];
    }
    return NONE;
  }

  #isAt(written: number, octets: Uint8Array, at: number): boolean {
    for (;;) {
      while (this.#octets[written] >= 0xc0) {
        written = (this.#octets[written] & 0x3f) << 8 |
          this.#octets[written + 1];
      }
      const length = octets[at];
      if (this.#octets[written] !== length) return false;
      if (length === 0) return true;
      for (let i = 1; i <= length; i++) {
        if (LOWER[this.#octets[written + i]] !== LOWER[octets[at + i]]) {
          return false;
        }
      }
      written += 1 + length;
      at += 1 + length;
    }
  }

  /** Notes that a name begins where the next octet goes. */
  #note(hash: number): void {
    if (this.#length > MAX_POINTER_TARGET) return;
    const bucket = hash & BUCKETS - 1, entry = this.#suffixes++;
    hashes[entry] = hash;
    offsets[entry] = this.#length;
    chain[entry] = buckets[bucket];
    buckets[bucket] = entry;
  }

  #u16(value: number): void {
    this.#reserve(2);
    this.#octets[this.#length++] = value >> 8;
    this.#octets[this.#length++] = value;
  }

  #copy(octets: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    if (end - start > 64) {
      this.#octets.set(octets.subarray(start, end), this.#length);
      this.#length += end - start;
      return;
    }
    for (let i = start; i < end; i++) this.#octets[this.#length++] = octets[i];
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#octets.length) return;
    const larger = new Uint8Array(2 * (this.#length + count));
    larger.set(this.#octets);
    this.#octets = larger;
  }
}
