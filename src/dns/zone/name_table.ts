/**
 * A hash table from domain names to values that is asked with a name as it stands in a packet: no string and no copy
 * is made for a look-up, and names live in one block of memory, so that a hundred thousand of them stay small.
 *
 * @module
 */
import { hashName, LOWER, type Name } from "../wire/name.ts";

const EMPTY = -1;
const DELETED = -2;

/** Names are compared without regard to case (RFC 4343). */
export class NameTable<V> {
  /**
   * Open addressing with linear probing. Each slot is two words: an index into the arrays below, {@linkcode EMPTY} or
   * {@linkcode DELETED}; and the name's hash, so that only a slot with the right one makes us look elsewhere.
   */
  #slots = emptySlots(16);
  #used = 0; // slots that are not EMPTY
  #size = 0;
  #offsets = new Uint32Array(8); // as many as slots may be used
  #values: (V | undefined)[] = [];
  /** The names, in lower case, each beginning at its offset and ending with the root's zero. */
  #octets = new Uint8Array(256);
  #octetsUsed = 0;

  /** How many names there are. */
  get size(): number {
    return this.#size;
  }

  /** The value of the name that stands uncompressed and checked at `offset` of `packet` and has that hash. */
  find(packet: Uint8Array, offset: number, hash: number): V | undefined {
    const at = this.#slotOf(packet, offset, hash);
    return at < 0 ? undefined : this.#values[this.#slots[at]];
  }

  get(name: Name): V | undefined {
    return this.find(name, 0, hashName(name));
  }

  /** Gives a name a value, in place of the one it had. */
  set(name: Name, value: V): void {
    const hash = hashName(name);
    const at = this.#slotOf(name, 0, hash);
    if (at >= 0) {
      this.#values[this.#slots[at]] = value;
      return;
    }
    if (4 * (this.#used + 1) > this.#slots.length) this.#rebuild();
    this.#insert(name, hash, value);
  }

  /** Takes a name out. */
  delete(name: Name): boolean {
    const at = this.#slotOf(name, 0, hashName(name));
    if (at < 0) return false;
    this.#values[this.#slots[at]] = undefined;
    this.#slots[at] = DELETED;
    this.#size--;
    return true;
  }

  /** Where the slot of a name begins, or -1. */
  #slotOf(packet: Uint8Array, offset: number, hash: number): number {
    const slots = this.#slots, last = slots.length - 2;
    for (let at = hash << 1 & last;; at = at + 2 & last) {
      const index = slots[at];
      if (index === EMPTY) return -1;
      if (
        slots[at + 1] === hash && index !== DELETED &&
        this.#isAt(this.#offsets[index], packet, offset)
      ) {
        return at;
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
      const octets = new Uint8Array(2 * (this.#octets.length + name.length));
      octets.set(this.#octets);
      this.#octets = octets;
    }
    const index = this.#values.push(value) - 1;
    this.#offsets[index] = this.#octetsUsed;
    for (const octet of name) this.#octets[this.#octetsUsed++] = LOWER[octet];
    const slots = this.#slots, last = slots.length - 2;
    let at = hash << 1 & last;
    while (slots[at] !== EMPTY) at = at + 2 & last;
    slots[at] = index;
    slots[at + 1] = hash;
    this.#used++;
    this.#size++;
  }

  /** Makes room, and leaves behind what was deleted. */
  #rebuild(): void {
    const old = this.#slots,
      offsets = this.#offsets,
      values = this.#values,
      octets = this.#octets;
    let slots = 16;
    while (slots < 4 * (this.#size + 1)) slots *= 2;
    this.#slots = emptySlots(slots);
    this.#offsets = new Uint32Array(slots >> 1);
    this.#values = [];
    this.#octets = new Uint8Array(octets.length);
    this.#octetsUsed = this.#used = this.#size = 0;
    for (let at = 0; at < old.length; at += 2) {
      const index = old[at];
      if (index < 0) continue;
      let end = offsets[index];
      while (octets[end] !== 0) end += 1 + octets[end];
      this.#insert(
        octets.subarray(offsets[index], end + 1),
        old[at + 1],
        values[index] as V,
      );
    }
  }
}

function emptySlots(count: number): Int32Array {
  return new Int32Array(2 * count).fill(EMPTY);
}
