/**
 * Names that are nobody else's business: special-use names (RFC 6761 and its registry) and the reverse zones of private
 * addresses (RFC 6303). They are answered here, so that no upstream server learns of them or is bothered with them.
 *
 * A name that was configured wins over all of this, and so does an upstream server that was given for the domain.
 *
 * @module
 */
import {
  type Answer,
  answerOf,
  NONE,
  questionPointer,
  record,
  soaRecord,
} from "../wire/records.ts";
import { HEADER_SIZE, Type } from "../wire/constants.ts";
import { LOWER, nameKey, parseName } from "../wire/name.ts";

/** What a special name is answered with. */
export interface SpecialAnswer {
  /** Whether the name exists: NOERROR rather than NXDOMAIN. */
  exists: boolean;
  answer: Answer;
  authority: Answer;
}

/** Seconds (RFC 6303 section 3). */
const TTL = 10800;
const SERIAL = 1;

/** Top-level names that do not exist, nor anything below them (RFC 6761, RFC 6762, RFC 7686, RFC 9476). */
const ABSENT = ["invalid", "test", "local", "onion", "alt"];

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Zones with nothing but their apex (RFC 6303 section 4, RFC 7793, RFC 8375, RFC 9462, RFC 9665). */
const EMPTY = [
  "home.arpa",
  "resolver.arpa",
  "service.arpa",
  "0.in-addr.arpa",
  "10.in-addr.arpa",
  "127.in-addr.arpa",
  ...range(64, 127).map((octet) => `${octet}.100.in-addr.arpa`),
  "254.169.in-addr.arpa",
  ...range(16, 31).map((octet) => `${octet}.172.in-addr.arpa`),
  "2.0.192.in-addr.arpa",
  "168.192.in-addr.arpa",
  "100.51.198.in-addr.arpa",
  "113.0.203.in-addr.arpa",
  "255.255.255.255.in-addr.arpa",
  "0.".repeat(32) + "ip6.arpa",
  "1." + "0.".repeat(31) + "ip6.arpa",
  "d.f.ip6.arpa",
  ...["8", "9", "a", "b"].map((nibble) => `${nibble}.e.f.ip6.arpa`),
  "8.b.d.0.1.0.0.2.ip6.arpa",
];

/** Names with data: this host by name and by address (RFC 6761 section 6.3). */
const LOOPBACK = [
  "1.0.0.127.in-addr.arpa",
  "1." + "0.".repeat(31) + "ip6.arpa",
];
const LOOPBACK_ADDRESS = new Map<number, number[]>([
  [Type.A, [127, 0, 0, 1]],
  [Type.AAAA, [...Array(15).fill(0), 1]],
]);

const keys = (names: string[]) =>
  new Set(names.map((name) => nameKey(parseName(name))));
const absent = keys(ABSENT), empty = keys(EMPTY), loopback = keys(LOOPBACK);
const localhost = nameKey(parseName("localhost"));

/** Whether the last label can be that of a special name: nearly all queries end here. */
function mayBeSpecial(packet: Uint8Array, lastLabel: number): boolean {
  const first = LOWER[packet[lastLabel + 1]];
  switch (packet[lastLabel]) {
    case 3:
      return first === 0x61; // alt
    case 4:
      return first === 0x61 || first === 0x74; // arpa, test
    case 5:
      return first === 0x6c || first === 0x6f; // local, onion
    case 7:
      return first === 0x69; // invalid
    case 9:
      return first === 0x6c; // localhost
    default:
      return false;
  }
}

/** The answer to a query whose question ends at `questionEnd`, if its name is special. */
export function specialAnswer(
  packet: Uint8Array,
  questionEnd: number,
  type: number,
): SpecialAnswer | undefined {
  let lastLabel = HEADER_SIZE;
  for (let at = HEADER_SIZE; packet[at] !== 0; at += 1 + packet[at]) {
    lastLabel = at;
  }
  if (!mayBeSpecial(packet, lastLabel)) return undefined;

  const name = packet.slice(HEADER_SIZE, questionEnd - 4);
  const key = nameKey(name);
  for (let skip = 0; name[skip] !== 0; skip += 1 + name[skip]) {
    const suffix = key.slice(skip);
    if (suffix === localhost) {
      const address = LOOPBACK_ADDRESS.get(type);
      return positive(
        skip,
        type,
        address && record(questionPointer(), type, TTL, address),
      );
    }
    if (loopback.has(suffix) && skip === 0) {
      const host = type === Type.PTR
        ? record(questionPointer(), type, TTL, [...parseName("localhost")])
        : undefined;
      // Their zones are among the empty ones below.
      return positive(0, type, host);
    }
    if (empty.has(suffix)) return emptyZoneAnswer(skip, type);
    if (absent.has(suffix)) return negative(skip);
  }
  return undefined;
}

/** The answer about a name in a zone that begins `skip` octets into it and has nothing but its apex. */
export function emptyZoneAnswer(skip: number, type: number): SpecialAnswer {
  return skip === 0 ? positive(0, type) : negative(skip);
}

/** A name that does not exist. */
function negative(skip: number): SpecialAnswer {
  const authority = answerOf([soaRecord(skip, SERIAL, TTL)]);
  return { exists: false, answer: NONE, authority };
}

/** A name that exists, in the zone that begins `skip` octets into it: a record, its SOA at the apex, or NODATA. */
function positive(skip: number, type: number, data?: number[]): SpecialAnswer {
  const soa = answerOf([soaRecord(skip, SERIAL, TTL)]);
  if (data !== undefined) {
    return { exists: true, answer: answerOf([data]), authority: NONE };
  }
  if (type === Type.SOA && skip === 0) {
    return { exists: true, answer: soa, authority: NONE };
  }
  return { exists: true, answer: NONE, authority: soa };
}
