/**
 * Random numbers that a seed decides: the same seed gives the same run on every machine.
 *
 * @module
 */

/** A generator with 32 bits of state (splitmix32): every packet of a run has one of its own. */
export class Random {
  #state: number;

  /** @param seed of the run @param index of the packet: it can be made again without those before it */
  constructor(seed: number, index: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ index;
    this.u32(); // seeds that are close to each other go apart
  }

  /** 32 bits. */
  u32(): number {
    this.#state = this.#state + 0x9e3779b9 | 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ bits >>> 16, 0x21f0aaad);
    bits = Math.imul(bits ^ bits >>> 15, 0x735a2d97);
    return (bits ^ bits >>> 15) >>> 0;
  }

  /** A whole number from 0 to `end`, which is not among them. */
  below(end: number): number {
    return Math.floor(this.u32() / 0x1_0000_0000 * end);
  }

  /** One of them. */
  pick<T>(items: ArrayLike<T>): T {
    return items[this.below(items.length)];
  }

  octets(length: number): Uint8Array {
    const octets = new Uint8Array(length);
    for (let i = 0; i < length; i++) octets[i] = this.u32();
    return octets;
  }
}
