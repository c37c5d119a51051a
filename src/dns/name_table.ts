/**
 * A hash table from domain names to values that is asked with a name as it stands in a packet: no string and no copy
 * is made for a look-up, and names live in one block of memory, so that a hundred thousand of them stay small.
 *
 * @module
 */
import { hashName, LOWER, type Name } from "./name.ts";

const EMPTY = -1;
const DELETED = -2;

/** Names are compared without regard to case (RFC 4343). */
export class NameTable<V> {
  /** Open addressing with linear probing: an index into the arrays below, {@linkcode EMPTY} or {@linkcode DELETED}. */
  #slots = new Int32Array(16).fill(EMPTY);
  #used = 0; // slots that are not EMPTY
  #hashes: number[] = [];
  #offsets: number[] = [];
  #values: (V | undefined)[] = [];
  /** The names, in lower case, each beginning at its offset and ending with the root's zero. */
  #octets = new Uint8Array(256);
  #octetsUsed = 0;
  #size = 0;

  /** How many names there are. */
  get size(): number {
    return this.#size;
  }

  /** The value of the name that stands uncompressed and checked at `offset` of `packet` and has that hash. */
  find(packet: Uint8Array, offset: number, hash: number): V | undefined {
    const slot = this.#slotOf(packet, offset, hash);
    return slot < 0 ? undefined : this.#values[this.#slots[slot]];
  }

  get(name: Name): V | undefined {
    return this.find(name, 0, hashName(name));
  }

  /** Gives a name a value, in place of the one it had. */
  set(name: Name, value: V): void {
    const hash = hashName(name);
    const slot = this.#slotOf(name, 0, hash);
    if (slot >= 0) {
      this.#values[this.#slots[slot]] = value;
      return;
    }
    if (2 * (this.#used + 1) > this.#slots.length) this.#rebuild();
    this.#insert(name, hash, value);
  }

  /** Takes a name out. */
  delete(name: Name): boolean {
    const slot = this.#slotOf(name, 0, hashName(name));
    if (slot < 0) return false;
    this.#values[this.#slots[slot]] = undefined;
    this.#slots[slot] = DELETED;
    this.#size--;
    return true;
  }

  #slotOf(packet: Uint8Array, offset: number, hash: number): number {
    const slots = this.#slots, mask = slots.length - 1;
    for (let slot = hash & mask;; slot = slot + 1 & mask) {
      const index = slots[slot];
      if (index === EMPTY) return -1;
      if (
        index !== DELETED && this.#hashes[index] === hash &&
        this.#isAt(this.#offsets[index], packet, offset)
      ) {
        return slot;
      }
    }
  }

  #isAt(at: number, packet: Uint8Array, offset: number): boolean {
    const octets = this.#octets;
    for (;;) {
      const length = octets[at];
      if (packet[offset] !== length) return false;
      if (length === 0) return true;
      at++;
      offset++;
      for (const end = at + length; at < end; at++, offset++) {
        if (octets[at] !== LOWER[packet[offset]]) return false;
      }
    }
  }

  #insert(name: Name, hash: number, value: V): void {
    if (this.#octetsUsed + name.length > this.#octets.length) {
      const larger = new Uint8Array(2 * (this.#octets.length + name.length));
      larger.set(this.#octets);
      this.#octets = larger;
    }
    const index = this.#hashes.length;
    this.#hashes.push(hash);
    this.#offsets.push(this.#octetsUsed);
    this.#values.push(value);
    for (const octet of name) this.#octets[this.#octetsUsed++] = LOWER[octet];
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== EMPTY) slot = slot + 1 & mask;
    this.#slots[slot] = index;
    this.#used++;
    this.#size++;
  }

  /** Makes room, and leaves behind what was deleted. */
  #rebuild(): void {
    const live = [...this.#slots].filter((index) => index >= 0).sort((a, b) =>
      a - b
    );
    const hashes = this.#hashes,
      offsets = this.#offsets,
      values = this.#values,
      octets = this.#octets;
    let length = this.#slots.length;
    while (length < 4 * (live.length + 1)) length *= 2;
    this.#slots = new Int32Array(length).fill(EMPTY);
    this.#hashes = [];
    this.#offsets = [];
    this.#values = [];
    this.#octets = new Uint8Array(octets.length);
    this.#octetsUsed = this.#used = this.#size = 0;
    for (const index of live) {
      let end = offsets[index];
      while (octets[end] !== 0) end += 1 + octets[end];
      this.#insert(
        octets.subarray(offsets[index], end + 1),
        hashes[index],
        values[index] as V,
      );
    }
  }
}
