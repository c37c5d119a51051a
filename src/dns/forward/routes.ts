/**
 * Which upstream servers are asked about which names.
 *
 * @module
 */
import { log } from "../../log.ts";
import { HEADER_SIZE } from "../wire/constants.ts";
import { formatName, hashNameAt, type Name, ROOT } from "../wire/name.ts";
import { NameTable } from "../zone/name_table.ts";
import { socketName } from "../../net/socket_address.ts";
import type { Upstream } from "./upstream.ts";

/** Servers, found out anew for every question; the same array as long as they are the same. */
export type ServerSource = () => Promise<readonly Upstream[]>;

/** The servers that are asked about a domain and all below it. */
export class Route {
  readonly domain: Name;
  readonly #source: ServerSource | undefined;
  readonly #isSelf: (server: Upstream) => boolean;
  #listed: readonly Upstream[] | undefined;
  #servers: readonly Upstream[] = [];
  #silent = false;

  /**
   * @param source without one nobody is ever asked
   * @param isSelf tells the servers that are this program itself: they are never asked
   */
  constructor(
    domain: Name,
    source: ServerSource | undefined,
    isSelf: (server: Upstream) => boolean,
  ) {
    this.domain = domain;
    this.#source = source;
    this.#isSelf = isSelf;
  }

  /** Whether nobody is ever asked about the domain. */
  get isClosed(): boolean {
    return this.#source === undefined;
  }

  /** The servers to ask, as things are now: the same array as long as they are the same. */
  async servers(): Promise<readonly Upstream[]> {
    const listed = await this.#source?.() ?? [];
    if (listed !== this.#listed) {
      this.#listed = listed;
      this.#servers = listed.filter((server) => !this.#isSelf(server));
      for (const server of listed) {
        if (this.#servers.includes(server)) continue;
        log("dns").warn(
          `${socketName(server)} is this server itself, and is not asked`,
        );
      }
    }
    return this.#servers;
  }

  /** None of the servers has replied to anything since `time`, when one was asked. */
  silentSince(time: number): void {
    if (this.#silent || this.#servers.some(({ heardAt }) => heardAt >= time)) {
      return;
    }
    this.#silent = true;
    log("dns").warn(
      `no upstream server replies${this.#what}: ${
        this.#servers.map(socketName).join(", ")
      }`,
    );
  }

  /** A question was answered. */
  answered(): void {
    if (!this.#silent) return;
    this.#silent = false;
    log("dns").info(`upstream servers reply again${this.#what}`);
  }

  get #what(): string {
    return this.domain[0] === 0 ? "" : ` about ${formatName(this.domain)}`;
  }
}

/** All routes. The one with the longest domain counts. */
export class Routes {
  readonly #fallback: Route | undefined;
  readonly #domains = new NameTable<Route>();
  /** All of them, that for all other names last. */
  readonly all: readonly Route[];

  /** @param fallback the one for names that are in no domain; without one they are nobody's */
  constructor(fallback: Route | undefined, domains: readonly Route[]) {
    this.#fallback = fallback;
    for (const route of domains) this.#domains.set(route.domain, route);
    this.all = fallback === undefined ? domains : [...domains, fallback];
  }

  /** The route for all names without one of their own. */
  get fallback(): Route | undefined {
    return this.#fallback;
  }

  /** The route for the question of a packet, which ends at `questionEnd`. */
  find(packet: Uint8Array, questionEnd: number): Route | undefined {
    return this.ofDomain(packet, questionEnd) ?? this.#fallback;
  }

  /** The same, if one was given for a domain that the question's name is in. */
  ofDomain(packet: Uint8Array, questionEnd: number): Route | undefined {
    if (this.#domains.size === 0) return undefined;
    const nameEnd = questionEnd - 4;
    for (let at = HEADER_SIZE;; at += 1 + packet[at]) {
      const hash = hashNameAt(packet, at, nameEnd);
      const route = this.#domains.find(packet, at, hash);
      if (route !== undefined || packet[at] === ROOT[0]) return route;
    }
  }
}
