/**
 * The answers that upstream gave, by question, for as long as they hold and there is room.
 *
 * Asked with a question as it stands in a packet: no string and no copy is made for a look-up. Room is taken once, for
 * as many answers as there may be, so that nothing is ever rebuilt.
 *
 * When there is no room, answers make way by SIEVE (Zhang and others, NSDI 2024): a hand goes from the oldest to the
 * newest, spares what was asked for since it came by last, and takes the first that was not. What is asked for again
 * and again stays, names that were asked for once are soon gone, and a look-up only sets a bit.
 *
 * @module
 */
import { DO, Flag, HEADER_SIZE } from "../wire/constants.ts";
import { keyedMix } from "../wire/keyed_hash.ts";
import { LOWER } from "../wire/name.ts";
import type { QueryReader } from "../wire/query.ts";
import type { Resolution } from "./resolution.ts";

const NONE = -1;
/** Octets of records that an answer has on average, at the most: it bounds what all of them take. */
const MEAN_OCTETS = 1024;
/** The most questions that may share a bucket. By chance that never happens, and who does not know the key cannot choose. */
const MAX_CHAIN = 16;

/** An answer that is kept. Times are milliseconds on the caller's clock. */
export interface Entry {
  readonly resolution: Resolution;
  readonly storedAt: number;
  readonly expiresAt: number;
  /** Until when it is given out although it has expired, since asking for a new one was in vain. */
  retryAt: number;
}

/** Keeps a bounded number of answers. */
export class Cache {
  readonly #capacity: number;
  /** The first slot of each bucket, or {@linkcode NONE}. */
  readonly #buckets: Int32Array;
  /** The next slot in a slot's bucket. */
  readonly #chain: Int32Array;
  readonly #hashes: Int32Array;
  /** Each slot's question in lower case, and one octet that tells its DO and CD apart. */
  readonly #questions: Uint8Array[] = [];
  readonly #entries: (Entry | undefined)[] = [];
  /** When each slot's answer was stored and when it expires, once more: that is looked at for every query. */
  readonly #times: Float64Array;
  /** The slots in the order in which they were filled, as a list with two ends. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  /** Whether each slot was asked for since the hand came by. */
  readonly #visited: Uint8Array;
  #newest = NONE;
  #oldest = NONE;
  /** Where the hand goes on; {@linkcode NONE} is at the oldest. */
  #hand = NONE;
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
    this.#hashes = new Int32Array(capacity);
    this.#times = new Float64Array(2 * capacity);
    this.#newer = new Int32Array(capacity);
    this.#older = new Int32Array(capacity);
    this.#visited = new Uint8Array(capacity);
  }

  /** How many answers there are. */
  get size(): number {
    return this.#size;
  }

  /** Octets that they take. */
  get octets(): number {
    return this.#octets;
  }

  /** The answer to a query, if there is one that holds; its age is set. */
  fresh(
    packet: Uint8Array,
    query: QueryReader,
    now: number,
  ): Resolution | undefined {
    const slot = this.#slotOf(packet, query);
    if (slot === NONE) return undefined;
    const storedAt = this.#times[2 * slot];
    // The clock may have been set back.
    if (now < storedAt || now >= this.#times[2 * slot + 1]) return undefined;
    this.#visited[slot] = 1;
    const { resolution } = this.#entries[slot]!;
    resolution.age = Math.floor((now - storedAt) / 1000);
    return resolution;
  }

  /** What is kept for a query, whether it holds or not. */
  get(packet: Uint8Array, query: QueryReader): Entry | undefined {
    const slot = this.#slotOf(packet, query);
    if (slot === NONE) return undefined;
    this.#visited[slot] = 1;
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
    const known = this.#slotOf(packet, query);
    if (known !== NONE) this.#delete(known);
    const question = questionOf(packet, query);
    const size = sizeOf(question, resolution);
    const room = this.#capacity * MEAN_OCTETS;
    if (size > room) return;
    while (this.#size === this.#capacity || this.#octets + size > room) {
      this.#evict();
    }
    const entry = { resolution, storedAt, expiresAt, retryAt: -Infinity };
    this.#insert(question, hashOf(query), entry);
  }

  /** Forgets everything. */
  clear(): void {
    while (this.#oldest !== NONE) this.#delete(this.#oldest);
  }

  #slotOf(packet: Uint8Array, query: QueryReader): number {
    const hash = hashOf(query);
    let slot = this.#buckets[hash & this.#buckets.length - 1];
    while (slot !== NONE) {
      if (
        this.#hashes[slot] === hash &&
        isFor(this.#questions[slot], packet, query)
      ) {
        return slot;
      }
      slot = this.#chain[slot];
    }
    return NONE;
  }

  #insert(question: Uint8Array, hash: number, entry: Entry): void {
    const bucket = hash & this.#buckets.length - 1;
    let length = 1, last = this.#buckets[bucket];
    for (let slot = last; slot !== NONE; slot = this.#chain[slot], length++) {
      last = slot;
    }
    if (length > MAX_CHAIN) this.#delete(last);

    let slot = this.#free;
    if (slot === NONE) slot = this.#entries.length;
    else this.#free = this.#chain[slot];
    this.#entries[slot] = entry;
    this.#questions[slot] = question;
    this.#hashes[slot] = hash;
    this.#times[2 * slot] = entry.storedAt;
    this.#times[2 * slot + 1] = entry.expiresAt;
    this.#chain[slot] = this.#buckets[bucket];
    this.#buckets[bucket] = slot;
    this.#visited[slot] = 0;
    this.#older[slot] = this.#newest;
    this.#newer[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
    this.#octets += sizeOf(question, entry.resolution);
    this.#size++;
  }

  /** Makes room. */
  #evict(): void {
    let slot = this.#hand === NONE ? this.#oldest : this.#hand;
    while (this.#visited[slot] === 1) {
      this.#visited[slot] = 0;
      slot = this.#newer[slot];
      if (slot === NONE) slot = this.#oldest;
    }
    this.#hand = slot;
    this.#delete(slot);
  }

  #delete(slot: number): void {
    const bucket = this.#hashes[slot] & this.#buckets.length - 1;
    const next = this.#chain[slot];
    if (this.#buckets[bucket] === slot) {
      this.#buckets[bucket] = next;
    } else {
      let before = this.#buckets[bucket];
      while (this.#chain[before] !== slot) before = this.#chain[before];
      this.#chain[before] = next;
    }
    const newer = this.#newer[slot], older = this.#older[slot];
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (this.#hand === slot) this.#hand = newer;

    this.#octets -= sizeOf(
      this.#questions[slot],
      this.#entries[slot]!.resolution,
    );
    this.#size--;
    this.#entries[slot] = undefined;
    this.#questions[slot] = EMPTY;
    this.#chain[slot] = this.#free;
    this.#free = slot;
  }
}

const EMPTY = new Uint8Array(0);

/** What of a query decides on the answer beside its question: whether it wants DNSSEC's records, and unchecked ones. */
function bitsOf(query: QueryReader): number {
  const dnssecOk = query.edns && (query.ednsFlags & DO) !== 0;
  return (dnssecOk ? 1 : 0) | (query.flags & Flag.CD ? 2 : 0);
}

function hashOf(query: QueryReader): number {
  return query.hash ^ keyedMix(query.type << 2 | bitsOf(query));
}

/** The question that a query is found by. */
function questionOf(packet: Uint8Array, query: QueryReader): Uint8Array {
  const question = new Uint8Array(query.questionEnd - HEADER_SIZE + 1);
  const end = question.length - 1;
  for (let i = 0; i < end; i++) {
    const octet = packet[HEADER_SIZE + i];
    question[i] = i < end - 4 ? LOWER[octet] : octet;
  }
  question[end] = bitsOf(query);
  return question;
}

function isFor(
  question: Uint8Array,
  packet: Uint8Array,
  query: QueryReader,
): boolean {
  const end = question.length - 1;
  if (query.questionEnd !== HEADER_SIZE + end) return false;
  for (let i = 0; i < end - 4; i++) {
    if (question[i] !== LOWER[packet[HEADER_SIZE + i]]) return false;
  }
  for (let i = end - 4; i < end; i++) {
    if (question[i] !== packet[HEADER_SIZE + i]) return false;
  }
  return question[end] === bitsOf(query);
}

function sizeOf(question: Uint8Array, resolution: Resolution): number {
  const { answer, authority, additional, ttlOffsets } = resolution;
  return question.length + answer.octets.length + authority.octets.length +
    additional.octets.length + ttlOffsets.byteLength;
}
