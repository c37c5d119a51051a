/**
 * A name of the local zone. There may be a hundred thousand, so it is small: what few names have is apart, and what many
 * have in common is shared.
 *
 * @module
 */
import {
  type Answer,
  answerOf,
  NONE,
  questionPointer,
  record,
} from "../wire/records.ts";
import { Type } from "../wire/constants.ts";
import { type Host, Hosts, NO_HOSTS } from "./hosts.ts";
import { type Name, nameKey } from "../wire/name.ts";

/** A name that an address of ours is known by. */
interface Pointer {
  name: Name;
  /** Seconds. */
  ttl: number;
}

/** The names of an address. */
class Pointers {
  readonly #all: Pointer[] = [];
  /** Seconds: the least of theirs. */
  ttl = Infinity;
  #answer: Answer | undefined;

  get size(): number {
    return this.#all.length;
  }

  get answer(): Answer {
    return this.#answer ??= answerOf(
      this.#all.map(({ name }) =>
        record(questionPointer(), Type.PTR, this.ttl, [...name])
      ),
    );
  }

  add(pointer: Pointer): void {
    this.#all.push(pointer);
    this.ttl = Math.min(this.ttl, pointer.ttl);
    this.#answer = undefined;
  }

  /** Takes away one that is equal. */
  remove({ name, ttl }: Pointer): void {
    const at = this.#all.findIndex((each) =>
      each.ttl === ttl && nameKey(each.name) === nameKey(name)
    );
    if (at >= 0) this.#all.splice(at, 1);
    this.ttl = Math.min(...this.#all.map(({ ttl }) => ttl));
    this.#answer = undefined;
  }
}

/** How many hosts have each TTL, in seconds, among those behind the names below a name. */
class Children {
  readonly #counts = new Map<number, number>();
  /** The least TTL. */
  ttl = Infinity;

  get size(): number {
    return this.#counts.size;
  }

  count(ttl: number, change: 1 | -1): void {
    const count = (this.#counts.get(ttl) ?? 0) + change;
    if (count > 0) this.#counts.set(ttl, count);
    else this.#counts.delete(ttl);
    if (ttl < this.ttl) this.ttl = ttl;
    else if (count === 0) this.ttl = Math.min(...this.#counts.keys());
  }
}

/** What few names have. */
class Rare {
  /** The name's index among the names of each host but the first. */
  otherPlaces: readonly number[] = [];
  /** How many names there are right below it. */
  below = 0;
  /** Where this is the reverse name of an address of ours (RFC 1035 section 3.5). */
  pointers: Pointers | undefined;
  /** Where this is the zone above names that have hosts. */
  children: Children | undefined;
}

/** A name that exists: it has hosts, or it is the apex of a zone, or there are names below it (RFC 8020 section 2). */
export class LocalName {
  hosts = NO_HOSTS;
  /** Its index among the names of the first of its hosts. */
  #place = 0;
  /** How many queries wait for hosts of it. */
  summoning = 0;
  /** Octets of its first label. */
  readonly firstLabel: number;
  #rare: Rare | undefined;

  constructor(name: Name) {
    this.firstLabel = name[0];
  }

  /** Whether every question about the name is ours to answer, and not that for its SOA record alone. */
  get isOurs(): boolean {
    return this.hosts !== NO_HOSTS || this.#rare?.pointers !== undefined;
  }

  /** Whether a SOA record stands at this name itself. */
  get isApex(): boolean {
    return this.#rare?.children !== undefined;
  }

  /** Seconds that what is said about the name may be kept. */
  get ttl(): number {
    const ttl = Math.min(this.hosts.ttl, this.#rare?.pointers?.ttl ?? Infinity);
    return ttl === Infinity ? 0 : ttl;
  }

  /** Seconds that it may be kept that something is not there: here, and at an apex also below (RFC 2308 section 4). */
  get negativeTtl(): number {
    return this.#rare?.children?.ttl ?? this.ttl;
  }

  /** The names of the address that this is the reverse name of. */
  get ptr(): Answer {
    return this.#rare?.pointers?.answer ?? NONE;
  }

  /** How many names there are right below it. */
  get below(): number {
    return this.#rare?.below ?? 0;
  }
  set below(count: number) {
    this.#more.below = count;
  }

  get #more(): Rare {
    return this.#rare ??= new Rare();
  }

  /** Notes a request with each of the hosts. */
  note(time: number): void {
    const { all } = this.hosts;
    if (all.length === 0) return;
    all[0].usage.note(this.#place, time);
    for (let i = 1; i < all.length; i++) {
      all[i].usage.note(this.#more.otherPlaces[i - 1], time);
    }
  }

  /**
   * Puts a host behind the name.
   *
   * @param alone that host and no other, for names that have but this one
   * @param place the name's index among the names of the host
   */
  addHost(alone: Hosts, place: number): void {
    if (this.hosts === NO_HOSTS) {
      this.hosts = alone;
      this.#place = place;
    } else {
      this.hosts = new Hosts([...this.hosts.all, ...alone.all]);
      this.#more.otherPlaces = [...this.#more.otherPlaces, place];
    }
  }

  /** Takes those hosts away for which it is so, and returns them. */
  removeHosts(isGone: (host: Host) => boolean): Host[] {
    const { all } = this.hosts;
    const places = [this.#place, ...this.#rare?.otherPlaces ?? []];
    const stays = (_: unknown, i: number) => !isGone(all[i]);
    const left = all.filter(stays);
    const gone = all.filter(isGone);
    if (gone.length === 0) return gone;
    this.hosts = left.length === 0 ? NO_HOSTS : new Hosts(left);
    const [first = 0, ...others] = places.filter(stays);
    this.#place = first;
    if (this.#rare !== undefined) this.#rare.otherPlaces = others;
    return gone;
  }

  /** Makes an address, whose reverse name this is, known by a name. */
  addPointer(pointer: Pointer): void {
    const pointers = this.#more.pointers ??= new Pointers();
    pointers.add(pointer);
  }

  /** Takes back what {@linkcode addPointer} did with an equal one, once. */
  removePointer(pointer: Pointer): void {
    const { pointers } = this.#more;
    pointers?.remove(pointer);
    if (pointers?.size === 0) this.#more.pointers = undefined;
  }

  /** Counts a host behind a name that it is the zone above of, or one less. */
  countChild(ttl: number, change: 1 | -1): void {
    const children = this.#more.children ??= new Children();
    children.count(ttl, change);
    if (children.size === 0) this.#more.children = undefined;
  }
}
