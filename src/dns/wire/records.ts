/**
 * Records in wire format, made once and copied behind a question again and again.
 *
 * They belong to a message whose question begins at octet 12, and point into its name where they can: so they take
 * little room, and give the question's case back.
 *
 * @module
 */
import { Class, HEADER_SIZE } from "./constants.ts";

/** Records for one section of a response. */
export interface Answer {
  count: number;
  octets: Uint8Array;
}

/** No records. */
export const NONE: Answer = { count: 0, octets: new Uint8Array(0) };

/** A compression pointer to the question's name less its first `skip` octets. */
export function questionPointer(skip = 0): number[] {
  const target = HEADER_SIZE + skip;
  return [0xc0 | target >> 8, target & 0xff];
}

/** A 32-bit number. */
export function u32(value: number): number[] {
  return [value >>> 24, value >>> 16 & 0xff, value >>> 8 & 0xff, value & 0xff];
}

/** A character-string (RFC 1035 section 3.3), which is also what a label looks like. */
export function characterString(text: string): number[] {
  return [text.length, ...new TextEncoder().encode(text)];
}

/** One record of class IN. */
export function record(
  owner: number[],
  type: number,
  ttl: number,
  rdata: readonly number[],
): number[] {
  return [
    ...owner,
    type >> 8,
    type & 0xff,
    0,
    Class.IN,
    ...u32(ttl),
    rdata.length >> 8,
    rdata.length & 0xff,
    ...rdata,
  ];
}

/** Records as an answer. */
export function answerOf(records: readonly number[][]): Answer {
  return records.length === 0
    ? NONE
    : { count: records.length, octets: Uint8Array.from(records.flat()) };
}

/** SOA timers for secondaries, of which there are none (RFC 1912 section 2.2); in seconds. */
const REFRESH = 7200, RETRY = 900, EXPIRE = 1209600;

/** The SOA record of a zone whose apex is the question's name less its first `skip` octets. */
export function soaRecord(skip: number, serial: number, ttl: number): number[] {
  const apex = questionPointer(skip);
  // The last number is how long a negative answer may be cached (RFC 2308 section 4).
  const numbers = [serial, REFRESH, RETRY, EXPIRE, ttl].flatMap(u32);
  return record(apex, 6, ttl, [
    ...apex,
    ...characterString("hostmaster"),
    ...apex,
    ...numbers,
  ]);
}
