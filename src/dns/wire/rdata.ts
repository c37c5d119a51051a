/**
 * Where names stand in the data of records, type by type, and in which of them a name may be compressed.
 *
 * Types that are not here are opaque: their octets are copied as they are (RFC 3597 section 3).
 *
 * @module
 */
import { Type } from "./constants.ts";
import { copyName, skipName, WireError } from "./name.ts";

/** Goes through the fields of RDATA, and notes where names begin. One serves all records. */
class Fields {
  #octets: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #mayPoint = false;
  names: number[] = [];

  /** @param mayPoint whether a name may end with a compression pointer */
  read(
    layout: Layout,
    octets: Uint8Array,
    start: number,
    end: number,
    mayPoint: boolean,
  ): number[] {
    this.#octets = octets;
    this.#at = start;
    this.#end = end;
    this.#mayPoint = mayPoint;
    this.names = [];
    layout(this);
    return this.names;
  }

  get atEnd(): boolean {
    return this.#at >= this.#end;
  }

  skip(count: number): void {
    this.#at += count;
    if (this.#at > this.#end) {
      throw new WireError("a field of a record's data runs past its end");
    }
  }

  u8(): number {
    this.skip(1);
    return this.#octets[this.#at - 1];
  }

  u16(): number {
    this.skip(2);
    return this.#octets[this.#at - 2] << 8 | this.#octets[this.#at - 1];
  }

  /** A character-string (RFC 1035 section 3.3). */
  string(): void {
    this.skip(this.u8());
  }

  name(): void {
    this.names.push(this.#at);
    for (;;) {
      const length = this.u8();
      if (length === 0) return;
      if (length < 0xc0) {
        this.skip(length);
        continue;
      }
      if (!this.#mayPoint) {
        throw new WireError(
          "a name is compressed in a record whose type does not allow it",
        );
      }
      return this.skip(1);
    }
  }
}

type Layout = (fields: Fields) => void;

const name: Layout = (fields) => fields.name();
const twoNames: Layout = (fields) => {
  fields.name();
  fields.name();
};
/** A name behind so many octets. */
const behind = (octets: number): Layout => (fields) => {
  fields.skip(octets);
  fields.name();
};

/** Those of RFC 1035 section 3.3: everybody compresses them, and so does {@linkcode encodeMessage}. */
const COMPRESSED = new Map<number, Layout>([
  [Type.NS, name],
  [Type.MD, name],
  [Type.MF, name],
  [Type.CNAME, name],
  [Type.SOA, twoNames],
  [Type.MB, name],
  [Type.MG, name],
  [Type.MR, name],
  [Type.PTR, name],
  [Type.MINFO, twoNames],
  [Type.MX, behind(2)],
]);

/** Not to be compressed by a sender, but to be understood where one did it (RFC 3597 section 4). */
const ONCE_COMPRESSED = new Map<number, Layout>([
  [Type.RP, twoNames],
  [Type.AFSDB, behind(2)],
  [Type.RT, behind(2)],
  [Type.SIG, behind(18)],
  [Type.PX, (fields) => {
    fields.skip(2);
    twoNames(fields);
  }],
  [Type.NXT, name],
  [Type.SRV, behind(6)],
  [Type.NAPTR, (fields) => {
    fields.skip(4);
    for (let i = 0; i < 3; i++) fields.string();
    fields.name();
  }],
]);

/** Where the type of gateway says that it is a name (RFC 4025 section 2.3, RFC 8777 section 4.2.3). */
const GATEWAY_IS_NAME = 3;

/** Never to be compressed: a pointer in them would be copied to where it leads elsewhere (RFC 3597 section 4). */
const NOT_COMPRESSED = new Map<number, Layout>([
  [Type.NSAP_PTR, name], // RFC 1706
  [Type.KX, behind(2)], // RFC 2230
  [Type.A6, (fields) => { // RFC 2874: prefix length, suffix, the prefix's name
    const prefix = fields.u8();
    fields.skip(Math.ceil(Math.max(0, 128 - prefix) / 8));
    if (prefix > 0) fields.name();
  }],
  [Type.DNAME, name], // RFC 6672
  [Type.IPSECKEY, (fields) => { // RFC 4025: precedence, type of gateway, algorithm
    fields.skip(1);
    const type = fields.u8();
    fields.skip(1);
    if (type === GATEWAY_IS_NAME) fields.name();
  }],
  [Type.RRSIG, behind(18)], // RFC 4034
  [Type.NSEC, name], // RFC 4034
  [Type.HIP, (fields) => { // RFC 8005: lengths of tag and key, both, rendezvous servers
    const tag = fields.u8();
    fields.skip(1);
    const key = fields.u16();
    fields.skip(tag + key);
    while (!fields.atEnd) fields.name();
  }],
  [Type.TALINK, twoNames],
  [Type.SVCB, behind(2)], // RFC 9460
  [Type.HTTPS, behind(2)], // RFC 9460
  [Type.DSYNC, behind(5)], // RFC 9859
  [Type.LP, behind(2)], // RFC 6742
  [Type.TKEY, name], // RFC 2930
  [Type.TSIG, (fields) => { // RFC 8945: algorithm, time, fudge, MAC, ID, error, other data
    fields.name();
    fields.skip(8);
    fields.skip(fields.u16());
    fields.skip(4);
    fields.skip(fields.u16());
  }],
  [Type.AMTRELAY, (fields) => { // RFC 8777: precedence, type of relay beside a flag
    fields.skip(1);
    if ((fields.u8() & 0x7f) === GATEWAY_IS_NAME) fields.name();
  }],
]);

const fields = new Fields();
const NONE: number[] = [];

/**
 * Where the names in the RDATA from `start` to `end` of a message begin. Throws {@linkcode WireError} where it does not
 * have the fields of its type, or a name is compressed that must not be.
 */
export function namesInRdata(
  octets: Uint8Array,
  type: number,
  start: number,
  end: number,
): number[] {
  // Empty RDATA is what UPDATE has in its prerequisites (RFC 2136 section 2.4); it holds no name.
  if (start === end) return NONE;
  const pointing = COMPRESSED.get(type) ?? ONCE_COMPRESSED.get(type);
  const layout = pointing ?? NOT_COMPRESSED.get(type);
  return layout === undefined
    ? NONE
    : fields.read(layout, octets, start, end, pointing !== undefined);
}

/** Whether a sender may compress the names in a type's RDATA. */
export function isCompressible(type: number): boolean {
  return COMPRESSED.has(type);
}

/** Where RDATA is spelled out: two names in it may be longer than they were. */
const spelledOut = new Uint8Array(0x1_0000 + 512);

/** The RDATA from `start` to `end` of a message, with its names spelled out. Throws {@linkcode WireError}. */
export function readRdata(
  octets: Uint8Array,
  type: number,
  start: number,
  end: number,
): Uint8Array {
  const names = namesInRdata(octets, type, start, end);
  if (names.length === 0) return octets.slice(start, end);
  let length = 0, at = start;
  const copyTo = (stop: number) => {
    while (at < stop) spelledOut[length++] = octets[at++];
  };
  for (const name of names) {
    copyTo(name);
    length = copyName(octets, name, spelledOut, length);
    at = skipName(octets, name);
  }
  copyTo(end);
  return spelledOut.slice(0, length);
}
