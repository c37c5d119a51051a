/**
 * A bounded number of places, shared fairly by those who want them.
 *
 * As long as there are places everybody may have as many as he likes. When all are taken, whoever has the most loses
 * his oldest one to the next who comes: a client that asks for names whose servers are silent crowds out itself, not
 * others. What counts is how many places are held by the client, by its network, and for the domain; so a flood of
 * forged clients that is about one domain crowds out that domain.
 *
 * Unbound's jostle list and BIND's fetches-per-zone serve the same end.
 *
 * @module
 */

/** A place younger than this many milliseconds is not taken away from one who would only take it himself. */
const GRACE = 200;
/** Of those places that are held by whoever has the most, this part is given up at a time, so that looking is rare. */
const BATCH = 1 / 64;
/** How close to the most one must come to lose places with him. */
const NEARLY = 3 / 4;

/** Somebody who has places, or something that they are had for. */
interface Holder {
  readonly key: string;
  places: number;
}

/** A place that is taken. */
export interface Place {
  /** Leaves it to others. Leaving it twice changes nothing. */
  leave(): void;
  /** It was put to use just now: it is the youngest again. */
  touch(): void;
  /** Another client waits for the same: from now on it is held by whichever of the two has fewer. */
  share(client: Uint8Array): void;
}

/** See the module's comment. */
export class Places {
  readonly #max: number;
  readonly #now: () => number;
  readonly #holders = new Map<string, Holder>();
  /** In the order of their age. */
  readonly #taken = new Set<TakenPlace>();

  /** @param now milliseconds, monotonic */
  constructor(max: number, now: () => number) {
    this.#max = max;
    this.#now = now;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken.size;
  }

  /**
   * Takes a place for a client; undefined where all are taken and nobody has more, and older ones, than he.
   *
   * @param client its address, 4 or 16 octets
   * @param domain what the place is for, where that matters
   * @param giveUp called when the place is needed for another; it has been left by then
   */
  take(
    client: Uint8Array,
    domain: string,
    giveUp: () => void,
  ): Place | undefined {
    const now = this.#now();
    const holders = keysOf(client, domain).map((key) => this.#holder(key));
    const place = new TakenPlace(holders, now, giveUp);
    if (this.#taken.size >= this.#max) this.#makeRoom(place, now);
    if (this.#taken.size >= this.#max) {
      this.#forget(holders);
      return undefined;
    }
    this.#taken.add(place);
    for (const holder of place.holders) this.#count(holder, 1);
    return {
      leave: () => this.#leave(place),
      touch: () => {
        if (!this.#taken.delete(place)) return;
        place.since = this.#now();
        this.#taken.add(place);
      },
      share: (other) => this.#share(place, keysOf(other, domain)),
    };
  }

  #makeRoom(newcomer: TakenPlace, now: number): void {
    let most = 0;
    for (const place of this.#taken) most = Math.max(most, place.weight);
    const own = newcomer.weight;
    let left = Math.ceil(this.#taken.size * BATCH);
    for (const place of this.#taken) {
      if (left === 0) return;
      const { weight } = place;
      if (weight < most * NEARLY) continue;
      if (own >= weight && now - place.since < GRACE) continue;
      this.#leave(place);
      place.giveUp();
      left--;
    }
  }

  #leave(place: TakenPlace): void {
    if (!this.#taken.delete(place)) return;
    for (const holder of place.holders) this.#count(holder, -1);
  }

  #share(place: TakenPlace, keys: string[]): void {
    if (!this.#taken.has(place)) return;
    const others = keys.map((key) => this.#holder(key));
    if (weightOf(others) >= place.weight) return this.#forget(others);
    for (const holder of others) this.#count(holder, 1);
    for (const holder of place.holders) this.#count(holder, -1);
    place.holders = others;
  }

  /** One who has places already, or who is to be counted or forgotten. */
  #holder(key: string): Holder {
    let holder = this.#holders.get(key);
    if (holder === undefined) {
      this.#holders.set(key, holder = { key, places: 0 });
    }
    return holder;
  }

  #count(holder: Holder, places: 1 | -1): void {
    holder.places += places;
    if (holder.places === 0) this.#holders.delete(holder.key);
  }

  #forget(holders: readonly Holder[]): void {
    for (const { key, places } of holders) {
      if (places === 0) this.#holders.delete(key);
    }
  }
}

class TakenPlace {
  holders: readonly Holder[];
  since: number;
  readonly giveUp: () => void;

  constructor(holders: readonly Holder[], since: number, giveUp: () => void) {
    this.holders = holders;
    this.since = since;
    this.giveUp = giveUp;
  }

  get weight(): number {
    return weightOf(this.holders);
  }
}

function weightOf(holders: readonly Holder[]): number {
  let weight = 0;
  for (let i = 0; i < holders.length; i++) weight += holders[i].places;
  return weight;
}

/**
 * A client is one IPv4 address, or the 64 bits of an IPv6 one that a single host can fill at will; what one party has
 * beyond that is mostly 24 bits and 56.
 */
function keysOf(client: Uint8Array, domain: string): string[] {
  const [own, network] = client.length === 4 ? [4, 3] : [8, 7];
  const part = (octets: number) => `${client.subarray(0, octets).join(".")}.`;
  const keys = [part(own), part(network)];
  if (domain !== "") keys.push(domain);
  return keys;
}
