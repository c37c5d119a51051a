/**
 * HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", and its reference implementation), which
 * the Linux kernel has for its hash tables too. Its words have 32 bits, which is what JavaScript reckons fast with.
 *
 * Whoever does not know the key cannot choose what falls on one place of a table. Each process has a key of its own.
 *
 * @module
 */

/** The octets as they are. */
const AS_IS = Uint8Array.from({ length: 256 }, (_, octet) => octet);

/** Two words. */
export type Key = readonly [number, number];

const [first, second] = crypto.getRandomValues(new Int32Array(2));
const KEY: Key = [first, second];

/**
 * The hash under this process's key of the octets from `start` to `end`.
 *
 * @param as what each octet counts as, a table of 256
 */
export function keyedHash(
  octets: Uint8Array,
  start: number,
  end: number,
  as: Uint8Array = AS_IS,
): number {
  return halfSipHash(KEY, octets, start, end, as);
}

const MULTIPLIER = second | 1;

/**
 * A quick hash under this process's key of one word, each bit of which changes half of the result (the finalizer of
 * MurmurHash3, with a secret multiplier): for what stands beside a name that was hashed with {@linkcode keyedHash}.
 */
export function keyedMix(word: number): number {
  let hash = word ^ first;
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, MULTIPLIER);
  return hash ^ hash >>> 16;
}

/** Rounds after the last word. */
const FINAL_ROUNDS = 3;

/** The 32-bit hash under any key; see {@linkcode keyedHash}. */
export function halfSipHash(
  key: Key,
  octets: Uint8Array,
  start: number,
  end: number,
  as: Uint8Array = AS_IS,
): number {
  let v0 = key[0],
    v1 = key[1],
    v2 = 0x6c796765 ^ key[0],
    v3 = 0x74656462 ^ key[1];
  const length = end - start, whole = start + (length & ~3);
  for (let at = start, left = FINAL_ROUNDS; left >= 0;) {
    let word = 0;
    if (at < whole) {
      word = as[octets[at]] | as[octets[at + 1]] << 8 |
        as[octets[at + 2]] << 16 | as[octets[at + 3]] << 24;
      at += 4;
    } else if (at === whole) {
      word = length << 24;
      for (let i = 0; at + i < end; i++) word |= as[octets[at + i]] << 8 * i;
      at = end + 1; // the last word, with the length in it
    } else {
      if (left === FINAL_ROUNDS) v2 ^= 0xff;
      if (--left < 0) break;
    }
    v3 ^= word;
    v0 = v0 + v1 | 0;
    v1 = (v1 << 5 | v1 >>> 27) ^ v0;
    v0 = v0 << 16 | v0 >>> 16;
    v2 = v2 + v3 | 0;
    v3 = (v3 << 8 | v3 >>> 24) ^ v2;
    v0 = v0 + v3 | 0;
    v3 = (v3 << 7 | v3 >>> 25) ^ v0;
    v2 = v2 + v1 | 0;
    v1 = (v1 << 13 | v1 >>> 19) ^ v2;
    v2 = v2 << 16 | v2 >>> 16;
    v0 ^= word;
  }
  return v1 ^ v3;
}
