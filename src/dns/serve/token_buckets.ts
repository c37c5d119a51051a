/**
 * A token bucket for each client network, in a table whose size does not depend on how many there are.
 *
 * A network is what one party usually has: 24 bits of an IPv4 address, 56 of an IPv6 one. Two networks that fall on
 * the same place of the table take turns in it, each beginning with a full bucket: that errs towards answering.
 *
 * @module
 */
import { keyedHash } from "../wire/keyed_hash.ts";

/** Places in the table; a power of two. */
const PLACES = 1 << 14;

/** How many octets of an address make its network. */
function networkOctets(address: Uint8Array): number {
  return address.length === 4 ? 3 : 7;
}

/** Token buckets that all have the same rate and size. */
export class TokenBuckets {
  readonly #rate: number;
  readonly #burst: number;
  readonly #now: () => number;
  readonly #owners = new Int32Array(PLACES);
  readonly #tokens = new Float64Array(PLACES);
  readonly #filledAt = new Float64Array(PLACES).fill(-Infinity);
  /** Whether the last one who came in vain was let come back. */
  readonly #slipped = new Uint8Array(PLACES);

  /**
   * @param rate tokens a second
   * @param burst tokens in a full bucket
   * @param now milliseconds, monotonic
   */
  constructor(rate: number, burst: number, now: () => number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#now = now;
  }

  /** Takes a token from the bucket of the address's network; false when there is none. */
  take(address: Uint8Array): boolean {
    // Nobody can choose who shares a place with whom.
    const hash = keyedHash(address, 0, networkOctets(address));
    const place = hash & PLACES - 1;
    const now = this.#now();
    let tokens = this.#burst;
    if (this.#owners[place] === hash) {
      const gained = (now - this.#filledAt[place]) * this.#rate / 1000;
      tokens = Math.min(this.#burst, this.#tokens[place] + gained);
    } else {
      this.#slipped[place] = 0;
    }
    this.#owners[place] = hash;
    this.#filledAt[place] = now;
    this.#tokens[place] = tokens < 1 ? tokens : tokens - 1;
    return tokens >= 1;
  }

  /** Of those of the address's network for whom there was no token: true for every second one. */
  slip(address: Uint8Array): boolean {
    const place = keyedHash(address, 0, networkOctets(address)) & PLACES - 1;
    return (this.#slipped[place] ^= 1) === 1;
  }
}
