/**
 * Domain names: between the text people write and the octets of a message (RFC 1035 sections 3.1, 4.1.4 and 5.1).
 *
 * A {@linkcode Name} is uncompressed wire format. Its case is kept and never compared (RFC 4343): {@linkcode nameKey}
 * is what names are compared by. Text is in master-file format: `\.` is a dot within a label, `\DDD` an octet in
 * decimal.
 *
 * @module
 */

import { HEADER_SIZE } from "./constants.ts";
import { keyedHash } from "./keyed_hash.ts";

/** Octets in a label (RFC 1035 section 2.3.4). */
export const MAX_LABEL = 63;
/** Octets in a name, with every length octet and the root's (RFC 1035 section 2.3.4). */
export const MAX_NAME = 255;
/** A name of 255 octets has at most so many labels beside the root. */
export const MAX_LABELS = 127;
/** A pointer that leads on is followed by a label. */
const MAX_POINTERS = MAX_LABELS;

/** A name in uncompressed wire format: at most {@linkcode MAX_NAME} octets, the last of them the root's zero. */
export type Name = Uint8Array;

/** The root's name. */
export const ROOT: Name = new Uint8Array(1);

/** Something in a message is not what the protocol allows. */
export class WireError extends Error {
  override name = "WireError";
}

/** A text is not a domain name; the message says why. */
export class NameError extends Error {
  override name = "NameError";
}

/** Every octet in lower case: ASCII letters only, all others as they are (RFC 4343 section 3). */
export const LOWER: Uint8Array = Uint8Array.from(
  { length: 256 },
  (_, octet) => octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet,
);

const DOT = 0x2e;
const BACKSLASH = 0x5c;
const encoder = new TextEncoder();

/**
 * Parses a name in text form, with or without the dot at its end; `"."` is the root. Text beyond ASCII stands for its
 * UTF-8 octets. Throws {@linkcode NameError}.
 */
export function parseName(text: string): Name {
  if (text === ".") return ROOT;
  if (text === "") throw new NameError("a name cannot be empty");
  const octets = encoder.encode(text);
  const labels: number[][] = [[]];
  for (let i = 0; i < octets.length; i++) {
    if (octets[i] === DOT) {
      labels.push([]);
    } else if (octets[i] === BACKSLASH) {
      const [octet, used] = unescape(octets.subarray(i + 1), text);
      labels.at(-1)!.push(octet);
      i += used;
    } else {
      labels.at(-1)!.push(octets[i]);
    }
  }
  if (labels.at(-1)!.length === 0) labels.pop(); // the dot at the end
  const name: number[] = [];
  for (const label of labels) {
    if (label.length === 0) throw new NameError(`"${text}" has an empty label`);
    if (label.length > MAX_LABEL) {
      throw new NameError(
        `"${text}" has a label of ${label.length} octets, ${MAX_LABEL} are the most`,
      );
    }
    name.push(label.length, ...label);
  }
  name.push(0);
  if (name.length > MAX_NAME) {
    throw new NameError(
      `"${text}" takes ${name.length} octets, ${MAX_NAME} are the most`,
    );
  }
  return Uint8Array.from(name);
}

/** What comes after a backslash: the octet it means, and how many octets of text said so. */
function unescape(
  rest: Uint8Array,
  text: string,
): [octet: number, used: number] {
  const isDigit = (octet: number | undefined) =>
    octet !== undefined && octet >= 0x30 && octet <= 0x39;
  if (rest.length === 0) throw new NameError(`"${text}" ends within an escape`);
  if (!isDigit(rest[0])) return [rest[0], 1];
  if (!isDigit(rest[1]) || !isDigit(rest[2])) {
    throw new NameError(`"${text}" has an escape that is not three digits`);
  }
  const octet = (rest[0] - 0x30) * 100 + (rest[1] - 0x30) * 10 + rest[2] - 0x30;
  if (octet > 255) throw new NameError(`"${text}" has an escape above \\255`);
  return [octet, 3];
}

/** The text form, with a dot at the end; escaped so that {@linkcode parseName} gives the same octets back. */
export function formatName(name: Name): string {
  if (name[0] === 0) return ".";
  let text = "";
  for (let at = 0; name[at] !== 0; at += 1 + name[at]) {
    for (const octet of name.subarray(at + 1, at + 1 + name[at])) {
      if (octet <= 0x20 || octet >= 0x7f) {
        text += `\\${octet.toString().padStart(3, "0")}`;
      } else {
        const char = String.fromCharCode(octet);
        text += '."\\();@$'.includes(char) ? `\\${char}` : char;
      }
    }
    text += ".";
  }
  return text;
}

/** What a name is compared by: equal for names that differ in case alone. One character an octet. */
export function nameKey(name: Name): string {
  let key = "";
  for (let i = 0; i < name.length; i++) {
    key += String.fromCharCode(LOWER[name[i]]);
  }
  return key;
}

/** The hash of a name, whatever its case, that others cannot foresee. The query reader computes the same. */
export function hashName(name: Name): number {
  return hashNameAt(name, 0, name.length);
}

/** {@linkcode hashName} of the name that stands spelled out from `start` to `end`. */
export function hashNameAt(
  octets: Uint8Array,
  start: number,
  end: number,
): number {
  return keyedHash(octets, start, end, LOWER);
}

/** The prime of FNV-1a, 32 bits. */
const FNV_PRIME = 0x01000193;

/**
 * A quick hash of a name, given that of the name behind the label at `at`, in lower case too; 0 is the root's. Anybody
 * can make names that have the same: what it is for must be bounded otherwise.
 */
export function hashLabel(
  behind: number,
  octets: Uint8Array,
  at: number,
): number {
  let hash = behind;
  for (const end = at + octets[at]; at <= end; at++) {
    hash = Math.imul(hash ^ LOWER[octets[at]], FNV_PRIME);
  }
  return hash;
}

/** Whether two names differ at most in case (RFC 4343). */
export function isSameName(one: Name, other: Name): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) {
    if (LOWER[one[i]] !== LOWER[other[i]]) return false;
  }
  return true;
}

/** The name without its first label; the root's is the root. */
export function parentName(name: Name): Name {
  return name[0] === 0 ? ROOT : name.slice(1 + name[0]);
}

/** Whether `name` is `ancestor` or below it. */
export function isWithin(name: Name, ancestor: Name): boolean {
  const key = nameKey(ancestor);
  for (let at = 0;; at += 1 + name[at]) {
    if (name.length - at === ancestor.length) {
      return nameKey(name.subarray(at)) === key;
    }
    if (name[at] === 0) return false;
  }
}

/** Where a name is put together: only then is its length known. */
const nameBeingRead = new Uint8Array(MAX_NAME);

/** A name read from a message, and where in the message reading goes on. */
export interface ReadName {
  name: Name;
  next: number;
}

/** Reads the name at `offset` of a message. Throws {@linkcode WireError}. */
export function readName(message: Uint8Array, offset: number): ReadName {
  const length = copyName(message, offset, nameBeingRead, 0);
  return {
    name: nameBeingRead.slice(0, length),
    next: skipName(message, offset),
  };
}

/**
 * Spells out the name at `offset` of a message into `out` from `start` on, and returns where it ends there: at most
 * {@linkcode MAX_NAME} octets further. Compression pointers are followed (RFC 1035 section 4.1.4): one leads strictly
 * backward, though never into the header, where no name is, and there is a bound on how many, so no message makes this
 * loop. Throws {@linkcode WireError}.
 */
export function copyName(
  message: Uint8Array,
  offset: number,
  out: Uint8Array,
  start: number,
): number {
  let length = start, at = offset, lowest = offset, pointers = 0;
  for (;;) {
    if (at >= message.length) throw new WireError("a name runs past the end");
    const octet = message[at];
    if (octet >= 0xc0) {
      if (at + 1 >= message.length) {
        throw new WireError("a compression pointer runs past the end");
      }
      const target = (octet & 0x3f) << 8 | message[at + 1];
      if (target >= lowest) {
        throw new WireError("a compression pointer does not lead backward");
      }
      if (target < HEADER_SIZE) {
        throw new WireError("a compression pointer leads into the header");
      }
      if (++pointers > MAX_POINTERS) {
        throw new WireError("a name has too many compression pointers");
      }
      at = lowest = target;
      continue;
    }
    if (octet > MAX_LABEL) throw new WireError("a label has an unknown type");
    const end = at + 1 + octet;
    if (end > message.length) throw new WireError("a label runs past the end");
    if (length - start + 1 + octet > MAX_NAME) {
      throw new WireError("a name is too long");
    }
    while (at < end) out[length++] = message[at++];
    if (octet === 0) return length;
  }
}

/**
 * Where reading goes on behind the name at `offset`, which a pointer ends. What it points to is not looked at: that is
 * {@linkcode copyName}'s business. Throws {@linkcode WireError}.
 */
export function skipName(message: Uint8Array, offset: number): number {
  for (let at = offset; at < message.length; at += 1 + message[at]) {
    if (message[at] === 0) return at + 1;
    if (message[at] > MAX_LABEL) return at + 2;
  }
  throw new WireError("a name runs past the end");
}
