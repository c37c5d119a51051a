import { assertEquals, assertGreater } from "@std/assert";
import fc from "fast-check";
import {
  halfSipHash,
  keyedHash,
  keyedMix,
} from "../../../src/dns/wire/keyed_hash.ts";

/** HalfSipHash with any number of rounds, step by step as its authors write it. */
function reference(
  rounds: number,
  finalRounds: number,
  [k0, k1]: [number, number],
  input: Uint8Array,
): number {
  const v = [k0, k1, 0x6c796765 ^ k0, 0x74656462 ^ k1];
  const rotate = (x: number, by: number) => x << by | x >>> 32 - by;
  const step = (a: number, b: number, by: number) => {
    v[a] = v[a] + v[b] | 0;
    v[b] = rotate(v[b], by) ^ v[a];
  };
  const round = () => {
    step(0, 1, 5);
    v[0] = rotate(v[0], 16);
    step(2, 3, 8);
    step(0, 3, 7);
    step(2, 1, 13);
    v[2] = rotate(v[2], 16);
  };
  const padded = new Uint8Array((input.length >> 2 << 2) + 4);
  padded.set(input);
  padded[padded.length - 1] = input.length;
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 4) {
    const word = view.getInt32(at, true);
    v[3] ^= word;
    for (let i = 0; i < rounds; i++) round();
    v[0] ^= word;
  }
  v[2] ^= 0xff;
  for (let i = 0; i < finalRounds; i++) round();
  return v[1] ^ v[3];
}

Deno.test("the reference gives the values that HalfSipHash's authors publish for 2 and 4 rounds", () => {
  const key: [number, number] = [0x03020100, 0x07060504];
  const published = ["a9359f5b", "27475ab8", "fa62a603"];
  for (const [length, hex] of published.entries()) {
    const input = Uint8Array.from({ length }, (_, i) => i);
    const octets = new Uint8Array(4);
    new DataView(octets.buffer).setInt32(0, reference(2, 4, key, input), true);
    assertEquals(octets.toHex(), hex);
  }
});

Deno.test("the hash is the reference's with 1 and 3 rounds, wherever the octets stand", () => {
  const word = fc.integer({ min: -0x80000000, max: 0x7fffffff });
  fc.assert(
    fc.property(
      fc.tuple(word, word),
      fc.uint8Array({ maxLength: 270 }),
      fc.nat(9),
      (key, input, before) => {
        const octets = Uint8Array.of(...new Uint8Array(before), ...input, 7);
        assertEquals(
          halfSipHash(key, octets, before, before + input.length),
          reference(1, 3, key, input),
        );
      },
    ),
  );
});

Deno.test("words that differ in high bits alone fall on different places", () => {
  const places = new Set(
    Array.from({ length: 256 }, (_, i) => keyedMix(i << 12) & 1023),
  );
  // Of 256 at random some 226 places are taken.
  assertGreater(places.size, 180);
});

Deno.test("octets can count as others", () => {
  const as = new Uint8Array(256).fill(7);
  assertEquals(
    keyedHash(Uint8Array.of(1, 2, 3, 4, 5), 0, 5, as),
    keyedHash(new Uint8Array(5).fill(7), 0, 5),
  );
});
