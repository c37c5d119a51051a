/**
 * Numbers of the DNS protocol that Jitsu names, as IANA's registry "Domain Name System (DNS) Parameters" lists them.
 * Types that are not here are still served: an unknown type is opaque (RFC 3597).
 *
 * @module
 */

/** RR types. */
export const Type = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  RT: 21,
  NSAP_PTR: 23,
  SIG: 24,
  PX: 26,
  AAAA: 28,
  NXT: 30,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  A6: 38,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  IPSECKEY: 45,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  HIP: 55,
  TALINK: 58,
  SVCB: 64,
  HTTPS: 65,
  DSYNC: 66,
  LP: 107,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  AMTRELAY: 260,
} as const;

const TYPE_NAMES = new Map(
  Object.entries(Type).map((
    [name, type],
  ) => [type as number, name.replace("_", "-")]),
);

/** A type's mnemonic; `TYPE123` where it has none here (RFC 3597 section 5). */
export function typeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

/** Classes. */
export const Class = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const;

/** Header opcodes (RFC 1035 section 4.1.1 and later). */
export const Opcode = { QUERY: 0, NOTIFY: 4, UPDATE: 5 } as const;

/** Response codes. BADVERS needs the upper bits that only an OPT record carries. */
export const Rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  NOTAUTH: 9,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

/** Header flag bits, in the 16-bit word after the ID (RFC 1035 section 4.1.1, RFC 4035 section 3). */
export const Flag = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
} as const;
/** The opcode's bits in the same word. */
export const OPCODE_MASK = 0x7800;
export const OPCODE_SHIFT = 11;
/** The response code's bits in the same word. */
export const RCODE_MASK = 0x000f;

/** What a TSIG record says is wrong with the one of the query (RFC 8945 section 3). */
export const TsigError = { BADKEY: 17 } as const;

/** EDNS options (RFC 6891 and later). */
export const EdnsOption = { NSID: 3, COOKIE: 10, EXTENDED_ERROR: 15 } as const;

/** The DNSSEC OK bit in an OPT record's flags (RFC 3225). */
export const DO = 0x8000;

/** Extended DNS Error codes (RFC 8914 section 5.2, RFC 9520 for 22). */
export const ExtendedError = {
  OTHER: 0,
  STALE_ANSWER: 3,
  CACHED_ERROR: 13,
  NOT_READY: 14,
  BLOCKED: 15,
  PROHIBITED: 18,
  STALE_NXDOMAIN_ANSWER: 19,
  NOT_AUTHORITATIVE: 20,
  NOT_SUPPORTED: 21,
  NO_REACHABLE_AUTHORITY: 22,
  NETWORK_ERROR: 23,
} as const;

/** Octets of a message header. */
export const HEADER_SIZE = 12;
/** The largest UDP message of a client that does not speak EDNS (RFC 1035 section 2.3.4). */
export const MAX_UDP_WITHOUT_EDNS = 512;
/** The largest UDP message sent, and the payload size advertised: it avoids IP fragments (RFC 9715 section 3). */
export const MAX_UDP_PAYLOAD = 1232;
/** The largest message of all: TCP's length prefix has 16 bits. */
export const MAX_MESSAGE = 65535;
