/**
 * What the tests of the codec share: arbitrary names, records and messages for fast-check.
 *
 * @module
 */
import fc from "fast-check";
import { Type } from "../../src/dns/wire/constants.ts";
import type { Message, ResourceRecord } from "../../src/dns/wire/message.ts";
import type { Name } from "../../src/dns/wire/name.ts";

const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
/** Labels of host names, from a small alphabet so that names share suffixes, and compression has work. */
const plainLabel = fc.constantFrom("a", "B", "www", "Example", "org", "test");

function nameOf(labels: Uint8Array[]): Name {
  return Uint8Array.from([
    ...labels.flatMap((each) => [each.length, ...each]),
    0,
  ]);
}

/** Any name the wire format allows. */
export const anyName: fc.Arbitrary<Name> = fc.array(label, { maxLength: 20 })
  .map(nameOf).filter((name) => name.length <= 255);

/** A host name. */
export const hostName: fc.Arbitrary<Name> = fc.array(plainLabel, {
  minLength: 1,
  maxLength: 6,
}).map((labels) =>
  nameOf(labels.map((each) => new TextEncoder().encode(each)))
);

const concat = (...parts: Uint8Array[]) =>
  Uint8Array.from(parts.flatMap((part) => [...part]));
const octets = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length });

/** RDATA by type: those that hold names, those that do not, and one that nobody knows. */
const rdataOf: Record<number, fc.Arbitrary<Uint8Array>> = {
  [Type.A]: octets(4),
  [Type.AAAA]: octets(16),
  [Type.NS]: hostName,
  [Type.CNAME]: hostName,
  [Type.PTR]: hostName,
  [Type.MX]: fc.tuple(octets(2), hostName).map((parts) => concat(...parts)),
  [Type.SRV]: fc.tuple(octets(6), hostName).map((parts) => concat(...parts)),
  [Type.SOA]: fc.tuple(hostName, hostName, octets(20)).map((parts) =>
    concat(...parts)
  ),
  [Type.TXT]: fc.array(fc.uint8Array({ maxLength: 40 }), {
    minLength: 1,
    maxLength: 3,
  }).map((texts) =>
    concat(...texts.map((text) => Uint8Array.of(text.length, ...text)))
  ),
  [65280]: fc.uint8Array({ maxLength: 40 }), // private use (RFC 6895 section 3.1)
};

export const anyRecord: fc.Arbitrary<ResourceRecord> = fc.constantFrom(
  ...Object.keys(rdataOf).map(Number),
).chain((type) =>
  fc.record({
    name: hostName,
    type: fc.constant(type),
    class: fc.constant(1),
    ttl: fc.integer({ min: 0, max: 0x7fffffff }),
    rdata: rdataOf[type],
  }, { noNullPrototype: true })
);

export const anyMessage: fc.Arbitrary<Message> = fc.record({
  id: fc.integer({ min: 0, max: 0xffff }),
  flags: fc.constantFrom(0x0000, 0x0100, 0x8000, 0x8580, 0x8400, 0x81b0),
  opcode: fc.constant(0),
  rcode: fc.integer({ min: 0, max: 10 }),
  questions: fc.array(
    fc.record({
      name: hostName,
      type: fc.constantFrom(1, 28, 65),
      class: fc.constant(1),
    }, { noNullPrototype: true }),
    { minLength: 1, maxLength: 1 },
  ),
  answers: fc.array(anyRecord, { maxLength: 5 }),
  authorities: fc.array(anyRecord, { maxLength: 3 }),
  additionals: fc.array(anyRecord, { maxLength: 3 }),
}, { noNullPrototype: true });
