/**
 * Makes hostile packets of real messages: they are wrong in one place or a few, so that they get past the first checks.
 *
 * @module
 */
import type { Random } from "./random.ts";

/** The largest packet made. */
const MAX_PACKET = 8192;
/** Octets that mean something: lengths of labels at their bounds, pointers, zeros. */
const TELLING = [0, 1, 3, 12, 0x29, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff];
/** 16-bit words that mean something: types, classes, sizes, flags. */
const TELLING_WORDS = [
  ...[0, 1, 2, 10, 12, 15, 28, 33, 41, 46, 64, 65, 249, 250, 251, 252, 255],
  ...[511, 512, 1232, 4096, 0x7fff, 0x8000, 0xc00c, 0xffff],
];

type Mutation = (
  packet: Uint8Array,
  random: Random,
  other: Uint8Array,
) => Uint8Array;

function changed(
  packet: Uint8Array,
  at: number,
  ...octets: number[]
): Uint8Array {
  const copy = packet.slice();
  for (const [i, octet] of octets.entries()) {
    if (at + i < copy.length) copy[at + i] = octet;
  }
  return copy;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole.length > MAX_PACKET ? whole.slice(0, MAX_PACKET) : whole;
}

const somewhere = (packet: Uint8Array, random: Random) =>
  random.below(packet.length + 1);

/** Where options of the OPT record of a query may begin: behind a root name and its type. */
function optAt(packet: Uint8Array): number {
  for (let at = packet.length - 11; at >= 12; at--) {
    if (packet[at] === 0 && packet[at + 1] === 0 && packet[at + 2] === 41) {
      return at;
    }
  }
  return -1;
}

const MUTATIONS: Mutation[] = [
  function bitFlip(packet, random) {
    const at = random.below(packet.length);
    return changed(packet, at, packet[at] ^ 1 << random.below(8));
  },
  function octet(packet, random) {
    return changed(packet, random.below(packet.length), random.pick(TELLING));
  },
  function word(packet, random) {
    const value = random.pick(TELLING_WORDS);
    return changed(
      packet,
      random.below(packet.length),
      value >> 8,
      value & 0xff,
    );
  },
  function offByOne(packet, random) {
    const at = random.below(packet.length);
    return changed(packet, at, packet[at] + (random.below(2) ? 1 : -1));
  },
  function truncation(packet, random) {
    return packet.slice(0, somewhere(packet, random));
  },
  function octetsAdded(packet, random) {
    return joined(packet, random.octets(1 + random.below(40)));
  },
  function octetsInserted(packet, random) {
    const at = somewhere(packet, random);
    const octets = random.octets(1 + random.below(8));
    return joined(packet.subarray(0, at), octets, packet.subarray(at));
  },
  function octetsTakenOut(packet, random) {
    const at = somewhere(packet, random);
    return joined(
      packet.subarray(0, at),
      packet.subarray(at + 1 + random.below(8)),
    );
  },
  function splice(packet, random, other) {
    return joined(
      packet.subarray(0, somewhere(packet, random)),
      other.subarray(somewhere(other, random)),
    );
  },
  function headOfAnother(packet, _random, other) {
    return joined(other.subarray(0, 12), packet.subarray(12));
  },
  function partRepeated(packet, random) {
    const start = somewhere(packet, random);
    const part = packet.subarray(start, start + 1 + random.below(64));
    const times = 1 + random.below(20);
    return joined(packet, ...Array.from({ length: times }, () => part));
  },
  function count(packet, random) {
    const value = random.below(4) === 0
      ? random.u32() & 0xffff
      : random.below(4);
    return changed(packet, 4 + 2 * random.below(4), value >> 8, value & 0xff);
  },
  function flags(packet, random) {
    const at = 2 + random.below(2);
    // Mostly queries still: a response gets no further.
    const octet = random.u32() & (at === 2 && random.below(8) ? 0x7f : 0xff);
    return changed(packet, at, octet);
  },
  function pointer(packet, random) {
    const target = random.below(4) === 0
      ? random.below(0x4000)
      : random.below(packet.length);
    return changed(
      packet,
      12 + random.below(packet.length),
      0xc0 | target >> 8,
      target & 0xff,
    );
  },
  function pointerChain(packet, random) {
    const chain = new Uint8Array(2 * (2 + random.below(200)));
    for (let i = 0; i < chain.length; i += 2) {
      const target = i === 0 ? 12 : packet.length + i - 2;
      chain.set([0xc0 | target >> 8, target & 0xff], i);
    }
    return joined(packet, chain, random.octets(10));
  },
  function longName(packet, random) {
    const label = random.below(3) === 0 ? 63 : 1 + random.below(8);
    const labels = random.octets(random.below(140) * (1 + label));
    for (let at = 0; at < labels.length; at += 1 + label) labels[at] = label;
    return joined(packet.subarray(0, 12), labels, packet.subarray(12));
  },
  function caseOfLetters(packet, random) {
    return packet.map((octet) =>
      octet >= 0x41 && (octet | 0x20) <= 0x7a && random.below(2)
        ? octet ^ 0x20
        : octet
    );
  },
  function optRepeated(packet) {
    const at = optAt(packet);
    if (at < 0) return packet;
    return changed(joined(packet, packet.subarray(at)), 11, packet[11] + 1);
  },
  function optionAdded(packet, random) {
    const at = optAt(packet);
    if (at < 0) return packet;
    const length = random.below(48),
      code = random.below(3) ? random.below(20) : random.u32();
    const told = random.below(4) ? length : random.u32();
    const option = Uint8Array.of(
      code >> 8,
      code,
      told >> 8,
      told,
      ...random.octets(length),
    );
    const size = (packet[at + 9] << 8 | packet[at + 10]) + option.length;
    const rest = random.below(2)
      ? [packet.subarray(at + 11), option]
      : [option, packet.subarray(at + 11)];
    return changed(
      joined(packet.subarray(0, at + 11), ...rest),
      at + 9,
      size >> 8,
      size,
    );
  },
  function optChanged(packet, random) {
    const at = optAt(packet);
    return at < 0
      ? packet
      : changed(packet, at + random.below(11), random.u32());
  },
];

/** A packet made of one message of the corpus, with one mutation or a few. Now and then it is as it was. */
export function mutate(
  corpus: readonly Uint8Array[],
  random: Random,
): Uint8Array {
  let packet = random.pick(corpus).slice();
  packet.set(random.octets(Math.min(2, packet.length)));
  for (let left = random.below(5); left > 0; left--) {
    if (packet.length === 0) break;
    packet = random.pick(MUTATIONS)(packet, random, random.pick(corpus))
      .slice();
  }
  return packet;
}
