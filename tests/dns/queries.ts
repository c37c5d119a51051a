/**
 * Queries as clients send them, for the tests of what is asked and answered on their behalf.
 *
 * @module
 */
import { Flag, Type } from "../../src/dns/wire/constants.ts";
import { encodeMessage, type Message } from "../../src/dns/wire/message.ts";
import { parseName } from "../../src/dns/wire/name.ts";
import { QueryReader } from "../../src/dns/wire/query.ts";

/** An OPT record of a client that takes much, with these flags. */
export const optRecord = (flags = 0) => ({
  name: new Uint8Array(1),
  type: Type.OPT,
  class: 4096,
  ttl: flags,
  rdata: new Uint8Array(0),
});

/** A query for a name, and what the reader makes of it. */
export function clientQuery(
  name: string,
  type: number = Type.A,
  parts: Partial<Message> = {},
): { packet: Uint8Array; query: QueryReader } {
  const packet = encodeMessage({
    id: 7,
    flags: Flag.RD,
    opcode: 0,
    rcode: 0,
    questions: [{ name: parseName(name), type, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
    ...parts,
  });
  const query = new QueryReader();
  query.read(packet);
  return { packet, query };
}
