/**
 * Messages that are cheap on the wire and dear when they are spelled out: names of which a pointer stands for the
 * most, one after the other, in every kind of record that has names in it.
 *
 * @module
 */
import { Flag, HEADER_SIZE, Type } from "../../src/dns/wire/constants.ts";
import type { Random } from "./random.ts";

/** Types of whose RDATA a name begins behind so many octets, and how many names there are. */
const LAYOUTS: readonly [type: number, before: number, names: number][] = [
  [Type.NS, 0, 1],
  [Type.CNAME, 0, 1],
  [Type.PTR, 0, 1],
  [Type.SOA, 0, 2],
  [Type.MINFO, 0, 2],
  [Type.MX, 2, 1],
  [Type.RP, 0, 2],
  [Type.AFSDB, 2, 1],
  [Type.PX, 2, 2],
  [Type.SRV, 6, 1],
  [Type.A, 4, 0],
  [Type.TXT, 0, 0],
];

const u16 = (value: number) => [value >> 8 & 0xff, value & 0xff];
const pointer = (target: number) => u16(0xc000 | target);
const MAX_TARGET = 0x3fff;
/** Octets of a name without the root's. */
const MAX_SPELLED = 254;

/** Puts octets together, and remembers where names begin. */
class Message {
  readonly octets: Uint8Array;
  length = 0;
  readonly #random: Random;
  readonly #names: { at: number; size: number }[] = [];

  constructor(size: number, random: Random) {
    this.octets = new Uint8Array(size);
    this.#random = random;
  }

  add(octets: ArrayLike<number>): void {
    this.octets.set(octets, this.length);
    this.length += octets.length;
  }

  /** No later name leads to what came so far. */
  forget(): void {
    this.#names.length = 0;
  }

  /** A name of about so many octets that later ones lead to: of labels of one length. */
  spelledOut(label: number, size: number): void {
    for (let left = size; left > label; left -= label + 1) {
      if (this.length <= MAX_TARGET) {
        this.#names.push({ at: this.length, size: left });
      }
      const octet = 0x61 + this.#random.below(26);
      this.add([label, ...Array<number>(label).fill(octet)]);
    }
    this.add([0]);
  }

  /** One that ends with a pointer: to the longest name, or to any. */
  pointing(labels: number, isLong: boolean): void {
    const at = this.length;
    for (let i = 0; i < labels; i++) {
      this.add([1, this.#random.below(256)]);
    }
    let target = isLong ? this.#names[0] : this.#random.pick(this.#names);
    if (target.size + 2 * labels > MAX_SPELLED) target = this.#names[0];
    this.add(pointer(target.at));
    if (labels > 0 && at <= MAX_TARGET) {
      this.#names.push({ at, size: target.size + 2 * labels });
    }
  }
}

/** A response of `size` octets to `question`, which has one question. */
export function expandingMessage(
  question: Uint8Array,
  size: number,
  random: Random,
): Uint8Array {
  const message = new Message(size, random);
  message.add([0, 1, ...u16(Flag.QR | Flag.RD | Flag.RA), 0, 1]);
  message.add(new Uint8Array(6));
  message.add(question);
  let records = 0;
  const record = (
    type: number,
    owner: () => void,
    rdata: () => void,
  ) => {
    owner();
    message.add([...u16(type), 0, 1, 0, 0, 0, 60, 0, 0]);
    const start = message.length;
    rdata();
    const length = u16(message.length - start);
    message.octets.set(length, start - 2);
    records++;
  };
  const shape = random.below(4); // what a message does, it does all along
  const label = random.pick([1, 1, 3, 30]), labels = random.below(3);
  const nameSize = random.pick([40, 60, 80, 160, 248]);
  record(
    Type.A,
    () => message.spelledOut(label, nameSize),
    () => message.add(random.octets(4)),
  );
  if (size > 4000 && random.below(3) === 0) {
    // Written again, what these lead to is spelled out, and the next name begins where no pointer leads to any more.
    for (let i = 0; i < 80; i++) {
      record(Type.SRV, () => message.pointing(0, true), () => {
        message.add(new Uint8Array(6));
        message.pointing(0, true);
      });
    }
    message.forget();
    record(
      Type.A,
      () => message.spelledOut(label, 248),
      () => message.add(random.octets(4)),
    );
  }
  const layout = random.pick(LAYOUTS);
  while (message.length + 100 < size) {
    const [type, before, names] = shape === 0 ? random.pick(LAYOUTS) : layout;
    record(
      type,
      () => message.pointing(labels, shape === 1),
      () => {
        message.add(new Uint8Array(before));
        for (let i = 0; i < names; i++) {
          message.pointing(shape === 2 ? 0 : labels, shape !== 3);
        }
      },
    );
  }
  const octets = message.octets.slice(0, message.length);
  octets.set(u16(records), HEADER_SIZE - 6);
  return octets;
}
