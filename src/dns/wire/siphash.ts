/**
 * SipHash-2-4 with a 64-bit result (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), which RFC 9018 makes
 * server cookies with. 64-bit words are pairs of 32-bit ones: that is faster here than BigInt.
 *
 * @module
 */

/** The four words of state, each as [low, high, low, high, ...]. */
type State = Int32Array;

const state: State = new Int32Array(8);

/** v[a] += v[b] */
function add(a: number, b: number): void {
  const low = (state[a] >>> 0) + (state[b] >>> 0);
  state[a] = low;
  state[a + 1] = state[a + 1] + state[b + 1] + (low > 0xffffffff ? 1 : 0);
}

/** v[a] = rotate v[a] left by `bits`, below 32, and xor with v[b] */
function rotateXor(a: number, b: number, bits: number): void {
  const low = state[a], high = state[a + 1];
  state[a] = (low << bits | high >>> 32 - bits) ^ state[b];
  state[a + 1] = (high << bits | low >>> 32 - bits) ^ state[b + 1];
}

/** v[a] = rotate v[a] left by 32 */
function swap(a: number): void {
  const low = state[a];
  state[a] = state[a + 1];
  state[a + 1] = low;
}

const V0 = 0, V1 = 2, V2 = 4, V3 = 6;

function round(): void {
  add(V0, V1);
  rotateXor(V1, V0, 13);
  swap(V0);
  add(V2, V3);
  rotateXor(V3, V2, 16);
  add(V0, V3);
  rotateXor(V3, V0, 21);
  add(V2, V1);
  rotateXor(V1, V2, 17);
  swap(V2);
}

/**
 * The hash of `message` under `key`.
 *
 * @param key 16 octets
 * @returns 8 octets, the hash in little-endian order
 */
export function sipHash24(key: Uint8Array, message: Uint8Array): Uint8Array {
  const word = (octets: Uint8Array, at: number) =>
    octets[at] | octets[at + 1] << 8 | octets[at + 2] << 16 |
    octets[at + 3] << 24;
  const k0l = word(key, 0),
    k0h = word(key, 4),
    k1l = word(key, 8),
    k1h = word(key, 12);
  state.set([
    k0l ^ 0x70736575,
    k0h ^ 0x736f6d65,
    k1l ^ 0x6e646f6d,
    k1h ^ 0x646f7261,
    k0l ^ 0x6e657261,
    k0h ^ 0x6c796765,
    k1l ^ 0x79746573,
    k1h ^ 0x74656462,
  ]);
  // The last block is what is left, zeros, and the length's low octet.
  const whole = message.length & ~7;
  const last = new Uint8Array(8);
  last.set(message.subarray(whole));
  last[7] = message.length;
  for (let at = 0; at <= whole; at += 8) {
    const block = at < whole ? message.subarray(at, at + 8) : last;
    const low = word(block, 0), high = word(block, 4);
    state[V3] ^= low;
    state[V3 + 1] ^= high;
    round();
    round();
    state[V0] ^= low;
    state[V0 + 1] ^= high;
  }
  state[V2] ^= 0xff;
  for (let i = 0; i < 4; i++) round();
  const hash = new DataView(new ArrayBuffer(8));
  hash.setInt32(0, state[0] ^ state[2] ^ state[4] ^ state[6], true);
  hash.setInt32(4, state[1] ^ state[3] ^ state[5] ^ state[7], true);
  return new Uint8Array(hash.buffer);
}
