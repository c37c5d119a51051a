/**
 * Who may ask: this host, the networks it is attached to, and whoever was allowed by name. A resolver that answers
 * everybody is a weapon for others (RFC 5358).
 *
 * @module
 */
import { isInNetwork, type Network, parseNetwork } from "../../net/network.ts";
import { LOOPBACK } from "../../net/own_addresses.ts";

/** Milliseconds after which the interfaces are looked at again when somebody is refused: one may have come up. */
const REFRESH_INTERVAL = 5000;

/** A list of who may ask. */
export class Access {
  readonly #allowed: readonly Network[];
  readonly #attachedNetworks: () => Network[];
  readonly #now: () => number;
  #attached: Network[];
  #attachedAt: number;

  /**
   * @param allowed networks beside the ones this host is attached to
   * @param now milliseconds, monotonic
   */
  constructor(
    allowed: readonly Network[],
    now: () => number,
    attached: () => Network[] = attachedNetworks,
  ) {
    this.#allowed = [...LOOPBACK, ...allowed];
    this.#now = now;
    this.#attachedNetworks = attached;
    this.#attached = attached();
    this.#attachedAt = now();
  }

  /** Whether that address (4 or 16 octets) may ask. */
  allows(address: Uint8Array): boolean {
    return isIn(this.#allowed, address) || this.isAttached(address);
  }

  /** Whether it is in a network that this host is attached to: nobody beyond its routers can well pretend to be. */
  isAttached(address: Uint8Array): boolean {
    if (isIn(this.#attached, address)) return true;
    if (this.#now() - this.#attachedAt < REFRESH_INTERVAL) return false;
    this.#attachedAt = this.#now();
    this.#attached = this.#attachedNetworks();
    return isIn(this.#attached, address);
  }
}

function isIn(networks: readonly Network[], address: Uint8Array): boolean {
  for (let i = 0; i < networks.length; i++) {
    if (isInNetwork(address, networks[i])) return true;
  }
  return false;
}

/** The networks of this host's interfaces. */
function attachedNetworks(): Network[] {
  return Deno.networkInterfaces().flatMap(({ cidr }) =>
    parseNetwork(cidr) ?? []
  );
}
