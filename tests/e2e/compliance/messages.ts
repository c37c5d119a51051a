/**
 * Queries to send as they are, right ones and wrong ones.
 *
 * @module
 */
import { Type } from "../../../src/dns/wire/constants.ts";
import {
  encodeMessage,
  type Message,
  type ResourceRecord,
} from "../../../src/dns/wire/message.ts";
import { parseName, ROOT } from "../../../src/dns/wire/name.ts";

/** A question of class IN. */
export function question(name: string, type: number = Type.A) {
  return { name: parseName(name), type, class: 1 };
}

/** A query for A, unless the parts say otherwise. */
export function query(name: string, parts: Partial<Message> = {}): Uint8Array {
  return encodeMessage({
    id: 4660,
    flags: 0x0100,
    opcode: 0,
    rcode: 0,
    questions: [question(name)],
    answers: [],
    authorities: [],
    additionals: [],
    ...parts,
  });
}

/** An OPT record with these octets of options. */
export function opt(...options: number[]): ResourceRecord {
  return {
    name: ROOT,
    type: Type.OPT,
    class: 1232,
    ttl: 0,
    rdata: Uint8Array.from(options),
  };
}
