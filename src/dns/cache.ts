/**
 * The answers that upstream gave, by question, for as long as they hold and there is room.
 *
 * Asked with a question as it stands in a packet: no string and no copy is made for a look-up. Room is taken once, for
 * as many answers as there may be, so that nothing is ever rebuilt; what was not used for longest makes way.
 *
 * @module
 */
import { DO, Flag, HEADER_SIZE } from "./constants.ts";
import { FNV_PRIME, LOWER } from "./name.ts";
import type { QueryReader } from "./query.ts";
import type { Resolution } from "./resolution.ts";

const NONE = -1;
/** Octets of records that an answer has on average, at the most: it bounds what all of them take. */
const MEAN_OCTETS = 1024;
/** The most questions that may share a bucket. By chance that never happens; somebody could make it happen. */
const MAX_CHAIN = 16;

/** An answer that is kept. */
export interface Entry {
  readonly resolution: Resolution;
  /** The question's octets in lower case, and one that tells its DO and CD apart. */
  readonly question: Uint8Array;
  readonly hash: number;
  /** Milliseconds on the caller's clock. */
  readonly storedAt: number;
  readonly expiresAt: number;
  /** Until when it is given out although it has expired, since asking for a new one was in vain. */
  retryAt: number;
}

/** Keeps a bounded number of answers, the ones used last. */
export class Cache {
  readonly #capacity: number;
  /** The first slot of each bucket, or {@linkcode NONE}. */
  readonly #buckets: Int32Array;
  readonly #entries: (Entry | undefined)[] = [];
  /** The next slot in a slot's bucket. */
  readonly #chain: Int32Array;
  /** The slots in the order they were used in, as a list with two ends. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #newest = NONE;
  #oldest = NONE;
  /** Slots that were given up, linked by `#chain`. */
  #free = NONE;
  #octets = 0;
  #size = 0;

  /** @param capacity how many answers, at least 1 */
  constructor(capacity: number) {
    this.#capacity = capacity;
    let buckets = 1;
    while (buckets < capacity) buckets *= 2;
    this.#buckets = new Int32Array(buckets).fill(NONE);
    this.#chain = new Int32Array(capacity);
    this.#newer = new Int32Array(capacity);
    this.#older = new Int32Array(capacity);
  }

  /** How many answers there are. */
  get size(): number {
    return this.#size;
  }

  /** Octets that they take. */
  get octets(): number {
    return this.#octets;
  }

  /** What is kept for a query, fresh or not. */
  find(packet: Uint8Array, query: QueryReader): Entry | undefined {
    const bits = bitsOf(query);
    const slot = this.#slotOf(packet, query, bits, hashOf(query, bits));
    if (slot === NONE) return undefined;
    if (slot !== this.#newest) {
      this.#unlink(slot);
      this.#linkNewest(slot);
    }
    return this.#entries[slot];
  }

  /** Keeps what a query is answered with until `expiresAt`, in place of what was kept for it. */
  put(
    packet: Uint8Array,
    query: QueryReader,
    resolution: Resolution,
    storedAt: number,
    expiresAt: number,
  ): void {
    const bits = bitsOf(query), hash = hashOf(query, bits);
    const known = this.#slotOf(packet, query, bits, hash);
    if (known !== NONE) this.#delete(known);
    const question = new Uint8Array(query.questionEnd - HEADER_SIZE + 1);
    const nameEnd = question.length - 5;
    for (let i = 0; i < question.length; i++) {
      const octet = packet[HEADER_SIZE + i];
      question[i] = i < nameEnd ? LOWER[octet] : octet;
    }
    question[question.length - 1] = bits;
    const entry = {
      resolution,
      question,
      hash,
      storedAt,
      expiresAt,
      retryAt: -Infinity,
    };
    const size = sizeOf(entry), room = this.#capacity * MEAN_OCTETS;
    if (size > room) return;
    while (this.#size === this.#capacity || this.#octets + size > room) {
      this.#delete(this.#oldest);
    }
    this.#insert(entry);
  }

  /** Forgets everything. */
  clear(): void {
    while (this.#oldest !== NONE) this.#delete(this.#oldest);
  }

  #slotOf(
    packet: Uint8Array,
    query: QueryReader,
    bits: number,
    hash: number,
  ): number {
    let slot = this.#buckets[hash & this.#buckets.length - 1];
    while (slot !== NONE) {
      const entry = this.#entries[slot]!;
      if (
        entry.hash === hash && isFor(entry.question, packet, query, bits)
      ) {
        return slot;
      }
      slot = this.#chain[slot];
    }
    return NONE;
  }

  #insert(entry: Entry): void {
    const bucket = entry.hash & this.#buckets.length - 1;
    let length = 1, last = this.#buckets[bucket];
    for (let slot = last; slot !== NONE; slot = this.#chain[slot], length++) {
      last = slot;
    }
    if (length > MAX_CHAIN) this.#delete(last);

    let slot = this.#free;
    if (slot === NONE) slot = this.#entries.length;
    else this.#free = this.#chain[slot];
    this.#entries[slot] = entry;
    this.#chain[slot] = this.#buckets[bucket];
    this.#buckets[bucket] = slot;
    this.#linkNewest(slot);
    this.#octets += sizeOf(entry);
    this.#size++;
  }

  #delete(slot: number): void {
    const entry = this.#entries[slot]!;
    const bucket = entry.hash & this.#buckets.length - 1;
    const next = this.#chain[slot];
    if (this.#buckets[bucket] === slot) {
      this.#buckets[bucket] = next;
    } else {
      let before = this.#buckets[bucket];
      while (this.#chain[before] !== slot) before = this.#chain[before];
      this.#chain[before] = next;
    }
    this.#unlink(slot);
    this.#entries[slot] = undefined;
    this.#chain[slot] = this.#free;
    this.#free = slot;
    this.#octets -= sizeOf(entry);
    this.#size--;
  }

  #linkNewest(slot: number): void {
    this.#newer[slot] = NONE;
    this.#older[slot] = this.#newest;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
  }

  #unlink(slot: number): void {
    const newer = this.#newer[slot], older = this.#older[slot];
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
  }
}

/** What of a query decides on the answer beside its question: whether it wants DNSSEC's records, and unchecked ones. */
function bitsOf(query: QueryReader): number {
  const dnssecOk = query.edns && (query.ednsFlags & DO) !== 0;
  return (dnssecOk ? 1 : 0) | (query.flags & Flag.CD ? 2 : 0);
}

function hashOf(query: QueryReader, bits: number): number {
  return Math.imul(query.hash ^ query.type << 2 ^ bits, FNV_PRIME);
}

function isFor(
  question: Uint8Array,
  packet: Uint8Array,
  query: QueryReader,
  bits: number,
): boolean {
  const end = question.length - 1;
  if (query.questionEnd !== HEADER_SIZE + end || question[end] !== bits) {
    return false;
  }
  for (let i = 0; i < end - 4; i++) {
    if (question[i] !== LOWER[packet[HEADER_SIZE + i]]) return false;
  }
  for (let i = end - 4; i < end; i++) {
    if (question[i] !== packet[HEADER_SIZE + i]) return false;
  }
  return true;
}

function sizeOf({ question, resolution }: Entry): number {
  const { answer, authority, additional, ttlOffsets } = resolution;
  return question.length + answer.octets.length + authority.octets.length +
    additional.octets.length + ttlOffsets.byteLength;
}
