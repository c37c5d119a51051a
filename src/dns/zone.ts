/**
 * The local zone: the names that are ours, who stands behind each, and their answers in wire format.
 *
 * Answers are encoded once and copied into responses. They are relative to a message whose question is the name they
 * answer for, so that their owner is a pointer to the question's name at octet 12, which also gives the question's
 * case back. Whether the one behind a name is ready is not the zone's business but the responder's.
 *
 * @module
 */
import { parseAddress } from "./address.ts";
import { Class, HEADER_SIZE, Type } from "./constants.ts";
import { type Name, parentName, ROOT } from "./name.ts";
import { NameTable } from "./name_table.ts";

/** Someone who can be made ready to be visited. */
export interface Summonable {
  /** Whether an answer may go out at once. Read for every query. */
  readonly ready: boolean;
  /**
   * Resolves when it is ready. Rejects with an Error whose message is fit to be shown to the client.
   *
   * @param cause which query asked, for the log
   */
  summon(cause: string): Promise<void>;
}

/** How often, and when last, a name was asked for. Written by the responder, read by whoever made it. */
export interface NameUsage {
  requests: number;
  /** Milliseconds on the responder's clock. */
  lastRequest: number;
}

/** One host behind a name. */
export interface Host {
  /** IPv4 and IPv6 addresses in text form. */
  addresses: readonly string[];
  /** Seconds. */
  ttl: number;
  summonable: Summonable;
  usage: NameUsage;
}

/** Records in wire format, ready to be copied behind a question. */
export interface Answer {
  count: number;
  octets: Uint8Array;
}

const NONE: Answer = { count: 0, octets: new Uint8Array(0) };

/** SOA timers for secondaries, of which there are none (RFC 1912 section 2.2); in seconds. */
const REFRESH = 7200, RETRY = 900, EXPIRE = 1209600;

/** A name of the local zone: it has hosts, or it is the apex of a zone, or both. */
export class LocalName {
  hosts: readonly Host[] = [];
  /** Of how many names it is the zone above. */
  children = 0;
  /** Seconds: the least of its hosts', since an RRset has one TTL (RFC 2181 section 5.2). */
  ttl = 0;
  /** Seconds: the least of the names it is the zone above of. */
  childTtl = Infinity;
  readonly #firstLabel: number;
  readonly #serial: number;
  #a: Answer | undefined;
  #aaaa: Answer | undefined;
  #soa: Answer | undefined;

  constructor(name: Name, serial: number) {
    this.#firstLabel = name[0];
    this.#serial = serial;
  }

  /** Whether a SOA record stands at this name itself. */
  get isApex(): boolean {
    return this.children > 0;
  }

  /** The addresses of all hosts. */
  get a(): Answer {
    return this.#a ??= this.addressesOf(this.hosts, Type.A);
  }
  get aaaa(): Answer {
    return this.#aaaa ??= this.addressesOf(this.hosts, Type.AAAA);
  }

  /** The SOA record of the zone this name is in: an answer at the apex, the authority of a negative one (RFC 2308). */
  get soa(): Answer {
    return this.#soa ??= this.#encodeSoa();
  }

  /** The addresses of some of the hosts. */
  addressesOf(
    hosts: readonly Host[],
    type: typeof Type.A | typeof Type.AAAA,
  ): Answer {
    const size = type === Type.A ? 4 : 16;
    const rdatas = hosts.flatMap((host) => host.addresses)
      .map((address) => parseAddress(address)!)
      .filter((octets) => octets.length === size);
    // Two hosts may share an address: an RRset has no duplicates (RFC 2181 section 5).
    const unique = [
      ...new Map(rdatas.map((octets) => [octets.join(), octets])).values(),
    ];
    if (unique.length === 0) return NONE;
    return {
      count: unique.length,
      octets: Uint8Array.from(
        unique.flatMap((rdata) =>
          record(pointer(HEADER_SIZE), type, this.ttl, [...rdata])
        ),
      ),
    };
  }

  /** What was encoded is no longer true. */
  changed(): void {
    this.#a = this.#aaaa = this.#soa = undefined;
  }

  #encodeSoa(): Answer {
    // The apex is the name itself or its parent, which in the question begins behind the first label.
    const apex = pointer(
      this.isApex ? HEADER_SIZE : HEADER_SIZE + 1 + this.#firstLabel,
    );
    // The last number is how long a negative answer may be cached (RFC 2308 section 4).
    const ttl = this.isApex ? this.childTtl : this.ttl;
    const numbers = [this.#serial, REFRESH, RETRY, EXPIRE, ttl].flatMap(u32);
    const rdata = [...apex, ...label("hostmaster"), ...apex, ...numbers];
    return {
      count: 1,
      octets: Uint8Array.from(record(apex, Type.SOA, ttl, rdata)),
    };
  }
}

const pointer = (target: number) => [0xc0 | target >> 8, target & 0xff];
const u16 = (value: number) => [value >> 8 & 0xff, value & 0xff];
const u32 = (value: number) => [...u16(value >>> 16), ...u16(value)];
const label = (
  text: string,
) => [text.length, ...new TextEncoder().encode(text)];

function record(
  owner: number[],
  type: number,
  ttl: number,
  rdata: number[],
): number[] {
  return [
    ...owner,
    ...u16(type),
    ...u16(Class.IN),
    ...u32(ttl),
    ...u16(rdata.length),
    ...rdata,
  ];
}

/** The zone above a name: its parent; a name of one label is its own, since the root is not ours to speak for. */
export function apexOf(name: Name): Name {
  const parent = parentName(name);
  return parent[0] === ROOT[0] ? name : parent;
}

/** All names that are ours. */
export class Zone {
  readonly #names = new NameTable<LocalName>();
  readonly #serial: number;

  /** @param serial of the SOA records: seconds since the epoch, so that it grows from start to start */
  constructor(serial: number) {
    this.#serial = serial >>> 0;
  }

  /** The name that stands at octet 12 of a packet and has that hash (see query.ts). */
  find(packet: Uint8Array, hash: number): LocalName | undefined {
    return this.#names.find(packet, HEADER_SIZE, hash);
  }

  /** Puts a host behind a name. */
  add(name: Name, host: Host): void {
    const local = this.#entry(name);
    const apex = this.#entry(apexOf(name));
    if (local.hosts.length === 0) apex.children++;
    local.hosts = [...local.hosts, host];
    local.ttl = Math.min(...local.hosts.map((each) => each.ttl));
    apex.childTtl = Math.min(apex.childTtl, host.ttl);
    local.changed();
    apex.changed();
  }

  #entry(name: Name): LocalName {
    let local = this.#names.get(name);
    if (local === undefined) {
      local = new LocalName(name, this.#serial);
      this.#names.set(name, local);
    }
    return local;
  }
}
