/**
 * The local zone: the names that are ours, who stands behind each, and their answers in wire format.
 *
 * Answers are encoded once and copied into responses. They are relative to a message whose question is the name they
 * answer for, so that their owner is a pointer to the question's name at octet 12, which also gives the question's
 * case back. Whether the one behind a name is ready is not the zone's business but the responder's.
 *
 * @module
 */
import { parseAddress } from "../../net/address.ts";
import { type Answer, answerOf, soaRecord } from "../wire/records.ts";
import { HEADER_SIZE } from "../wire/constants.ts";
import { type Host, Hosts, type Summonable } from "./hosts.ts";
import { LocalName } from "./local_name.ts";
import { type Name, parentName, parseName, ROOT } from "../wire/name.ts";
import { NameTable } from "./name_table.ts";

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
  /** The SOA records so far, by their TTL and by how many octets of the question's name are not the apex's. */
  readonly #soas = new Map<number, Map<number, Answer>>();

  /** @param serial of the SOA records: seconds since the epoch, so that it grows from start to start */
  constructor(serial: number) {
    this.#serial = serial >>> 0;
  }

  /** The name that stands at octet 12 of a packet and has that hash (see query.ts). */
  find(packet: Uint8Array, hash: number): LocalName | undefined {
    return this.#names.find(packet, HEADER_SIZE, hash);
  }

  /** The SOA record of the zone a name is in: an answer at the apex, the authority of a negative one (RFC 2308). */
  soaOf({ isApex, firstLabel, negativeTtl }: LocalName): Answer {
    // The apex is the name itself or its parent, which in the question begins behind the first label.
    const skip = isApex ? 0 : 1 + firstLabel;
    let soas = this.#soas.get(negativeTtl);
    if (soas === undefined) this.#soas.set(negativeTtl, soas = new Map());
    let soa = soas.get(skip);
    if (soa === undefined) {
      soa = answerOf([soaRecord(skip, this.#serial, negativeTtl)]);
      soas.set(skip, soa);
    }
    return soa;
  }

  /** Puts a host behind its names, each of which is in the order in which their usage is noted. */
  add(host: Host, names: Iterable<Name>): void {
    const alone = new Hosts([host]);
    let place = 0;
    for (const name of names) {
      this.#entry(name).addHost(alone, place++);
      this.#countTtl(name, host.ttl, 1);
    }
  }

  /** Takes whoever is behind names away from them. Queries that wait already are answered as if it were there. */
  remove(summonable: Summonable, names: Iterable<Name>): void {
    for (const name of names) {
      const local = this.#entry(name);
      const gone = local.removeHosts((host) => host.summonable === summonable);
      for (const { ttl } of gone) this.#countTtl(name, ttl, -1);
      this.#forget(name, local);
    }
  }

  /** Makes an address, in text form, known by name: its reverse name answers PTR, and summons nobody. */
  addPointer(address: string, name: Name, ttl: number): void {
    this.#entry(reverseName(address)).addPointer({ name, ttl });
  }

  /** Takes back what {@linkcode addPointer} did with the same arguments, once. */
  removePointer(address: string, name: Name, ttl: number): void {
    const reverse = reverseName(address), local = this.#entry(reverse);
    local.removePointer({ name, ttl });
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
      local = new LocalName(name);
      this.#names.set(name, local);
      const parent = parentName(name);
      if (parent[0] !== ROOT[0]) this.#entry(parent).below++;
    }
    return local;
  }
}
