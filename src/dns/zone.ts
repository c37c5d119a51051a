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
import {
  type Answer,
  answerOf,
  questionPointer,
  record,
  soaRecord,
} from "./answer.ts";
import { HEADER_SIZE, Type } from "./constants.ts";
import { type Name, nameKey, parentName, parseName, ROOT } from "./name.ts";
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

/** A name that an address of ours is known by. */
interface Pointer {
  name: Name;
  /** Seconds. */
  ttl: number;
}

/** There may be a hundred thousand names: what most have none of is shared. */
const NO_HOSTS: readonly Host[] = [];
const NO_POINTERS: readonly Pointer[] = [];

/** A name that exists: it has hosts, or it is the apex of a zone, or there are names below it (RFC 8020 section 2). */
export class LocalName {
  hosts = NO_HOSTS;
  /** How many queries wait for hosts of it. */
  summoning = 0;
  /** How many names there are right below it. */
  below = 0;
  /** Seconds: the least of its hosts' and pointers', since an RRset has one TTL (RFC 2181 section 5.2). */
  ttl = 0;
  /** The names of an address of ours, where this is the reverse name of one (RFC 1035 section 3.5). */
  pointers = NO_POINTERS;
  /** How many hosts have each TTL, in seconds, among those behind the names that it is the zone above of. */
  #childTtls?: Map<number, number>;
  readonly #firstLabel: number;
  readonly #serial: number;
  #a: Answer | undefined;
  #aaaa: Answer | undefined;
  #ptr: Answer | undefined;
  #soa: Answer | undefined;

  constructor(name: Name, serial: number) {
    this.#firstLabel = name[0];
    this.#serial = serial;
  }

  /** Whether every question about the name is ours to answer, and not that for its SOA record alone. */
  get isOurs(): boolean {
    return this.hosts.length > 0 || this.pointers.length > 0;
  }

  /** Whether a SOA record stands at this name itself. */
  get isApex(): boolean {
    return this.#childTtls !== undefined;
  }

  /** Counts a host behind a name that it is the zone above of, or one less. */
  countChild(ttl: number, change: 1 | -1): void {
    const ttls = this.#childTtls ??= new Map();
    const count = (ttls.get(ttl) ?? 0) + change;
    if (count > 0) ttls.set(ttl, count);
    else ttls.delete(ttl);
    if (ttls.size === 0) this.#childTtls = undefined;
    this.changed();
  }

  /** The addresses of all hosts. */
  get a(): Answer {
    return this.#a ??= this.addressesOf(this.hosts, Type.A);
  }
  get aaaa(): Answer {
    return this.#aaaa ??= this.addressesOf(this.hosts, Type.AAAA);
  }

  /** The names of the address that this is the reverse name of. */
  get ptr(): Answer {
    return this.#ptr ??= answerOf(
      this.pointers.map(({ name }) =>
        record(questionPointer(), Type.PTR, this.ttl, [...name])
      ),
    );
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
    return answerOf(
      unique.map((rdata) =>
        record(questionPointer(), type, this.ttl, [...rdata])
      ),
    );
  }

  /** Its hosts, pointers or children are others now: what was encoded is no longer true. */
  changed(): void {
    const ttls = [...this.hosts, ...this.pointers].map(({ ttl }) => ttl);
    this.ttl = ttls.length > 0 ? Math.min(...ttls) : 0;
    this.#a =
      this.#aaaa =
      this.#ptr =
      this.#soa =
        undefined;
  }

  #encodeSoa(): Answer {
    // The apex is the name itself or its parent, which in the question begins behind the first label.
    return this.#childTtls
      ? answerOf([
        soaRecord(0, this.#serial, Math.min(...this.#childTtls.keys())),
      ])
      : answerOf([soaRecord(1 + this.#firstLabel, this.#serial, this.ttl)]);
  }
}

/** The zone above a name: its parent; a name of one label is its own, since the root is not ours to speak for. */
export function apexOf(name: Name): Name {
  const parent = parentName(name);
  return parent[0] === ROOT[0] ? name : parent;
}

/** The name below in-addr.arpa or ip6.arpa that stands for an address (RFC 1035 section 3.5, RFC 3596 section 2.5). */
export function reverseName(address: string): Name {
  const octets = [...parseAddress(address)!];
  if (octets.length === 4) {
    return parseName(`${octets.reverse().join(".")}.in-addr.arpa`);
  }
  const nibbles = octets.flatMap((octet) => [octet >> 4, octet & 15]);
  return parseName(
    `${
      nibbles.reverse().map((nibble) => nibble.toString(16)).join(".")
    }.ip6.arpa`,
  );
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
    local.hosts = [...local.hosts, host];
    local.changed();
    this.#countTtl(name, host.ttl, 1);
  }

  /** Takes whoever is behind a name away from it. Queries that wait for it already are answered as if it were there. */
  remove(name: Name, summonable: Summonable): void {
    const local = this.#entry(name);
    const gone = local.hosts.filter((host) => host.summonable === summonable);
    local.hosts = local.hosts.filter((host) => host.summonable !== summonable);
    local.changed();
    for (const { ttl } of gone) this.#countTtl(name, ttl, -1);
    this.#forget(name, local);
  }

  /** Makes an address, in text form, known by name: its reverse name answers PTR, and summons nobody. */
  addPointer(address: string, name: Name, ttl: number): void {
    const local = this.#entry(reverseName(address));
    local.pointers = [...local.pointers, { name, ttl }];
    local.changed();
  }

  /** Takes back what {@linkcode addPointer} did with the same arguments, once. */
  removePointer(address: string, name: Name, ttl: number): void {
    const reverse = reverseName(address);
    const local = this.#entry(reverse);
    const at = local.pointers.findIndex((each) =>
      each.ttl === ttl && nameKey(each.name) === nameKey(name)
    );
    local.pointers = local.pointers.filter((_, i) => i !== at);
    local.changed();
    this.#forget(reverse, local);
  }

  /** Counts a host of a name, or one less, in the zone above. */
  #countTtl(name: Name, ttl: number, change: 1 | -1): void {
    const above = apexOf(name);
    const apex = this.#entry(above);
    apex.countChild(ttl, change);
    this.#forget(above, apex);
  }

  /** Forgets a name that exists no more, and the names above that existed for its sake. */
  #forget(name: Name, local: LocalName): void {
    if (local.isOurs || local.isApex || local.below > 0) return;
    this.#names.delete(name);
    const parent = parentName(name);
    if (parent[0] === ROOT[0]) return;
    const above = this.#entry(parent);
    above.below--;
    this.#forget(parent, above);
  }

  #entry(name: Name): LocalName {
    let local = this.#names.get(name);
    if (local === undefined) {
      local = new LocalName(name, this.#serial);
      this.#names.set(name, local);
      const parent = parentName(name);
      if (parent[0] !== ROOT[0]) this.#entry(parent).below++;
    }
    return local;
  }
}
