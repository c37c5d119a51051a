/**
 * Where DNS is served: over every protocol, at one address and port, or several, or each address of the host.
 *
 * `0.0.0.0` and `::` are not bound as such. A UDP socket that is bound to all addresses answers from whichever the
 * kernel picks, and a client takes no answer from an address that it did not ask. So each address of the host has
 * sockets of its own, and when addresses come and go, so do they.
 *
 * @module
 */
import { log } from "../../log.ts";
import { addressesOf, isWildcard } from "../../net/own_addresses.ts";
import type { SocketAddress } from "../../net/socket_address.ts";
import type { BoundEndpoint, Endpoint } from "./endpoint.ts";
import type { Responder } from "./responder.ts";
import { listenTcp } from "./tcp.ts";
import { UdpServer } from "./udp.ts";

/** Milliseconds between two looks at the host's addresses. */
const REFRESH_INTERVAL = 5_000;

/** Binds a socket; throws what Deno throws. */
type Open = (
  address: string,
  port: number,
  now: () => number,
) => BoundEndpoint;

/** What is served at each address and port, in the order in which it is bound. */
const PROTOCOLS = [
  ["UDP", (address, port) => new UdpServer(address, port)],
  ["TCP", listenTcp],
] as const satisfies [string, Open][];

/** What a socket is for. */
export type Protocol = typeof PROTOCOLS[number][0];

/** A socket could not be bound; `cause` is what Deno said. */
export class ListenError extends Error {
  override name = "ListenError";
  readonly protocol: Protocol;

  constructor(
    protocol: Protocol,
    { address, port }: SocketAddress,
    cause: unknown,
  ) {
    super(`cannot serve DNS on ${address}#${port} over ${protocol}`, { cause });
    this.protocol = protocol;
  }
}

/** Several that are one. */
class Together implements Endpoint {
  readonly #endpoints: readonly Endpoint[];

  constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = endpoints;
  }

  serve(responder: Responder): void {
    for (const each of this.#endpoints) each.serve(responder);
  }

  drain(): void {
    for (const each of this.#endpoints) each.drain();
  }

  async close(): Promise<void> {
    await Promise.all(this.#endpoints.map((each) => each.close()));
  }
}

/** Every protocol on one address and port. Throws {@linkcode ListenError}, and leaves nothing bound then. */
function openAll(
  { address, port }: SocketAddress,
  now: () => number,
): { endpoint: Endpoint; port: number } {
  const opened: BoundEndpoint[] = [];
  for (const [protocol, open] of PROTOCOLS) {
    try {
      opened.push(open(address, port, now));
    } catch (error) {
      for (const each of opened) each.close();
      throw new ListenError(protocol, { address, port }, error);
    }
    port = opened[0].address.port;
  }
  return { endpoint: new Together(opened), port };
}

/** How often another port is taken when the system's choice for one protocol is taken for the next. */
const PORT_TRIES = 20;

/** The same; with port 0, on one that is free for every protocol. */
function openAnyPort(at: SocketAddress, now: () => number) {
  for (let tries = at.port === 0 ? PORT_TRIES : 1;; tries--) {
    try {
      return openAll(at, now);
    } catch (error) {
      const { cause } = error as Error;
      if (tries === 1 || !(cause instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** All of them. */
export class Endpoints implements Endpoint {
  /** What is bound to, with the ports that the system has chosen. */
  readonly bound: readonly Readonly<SocketAddress>[];
  readonly #now: () => number;
  readonly #endpoints = new Map<string, Endpoint>();
  /** Those that could not be bound, so that it is told once. */
  readonly #failed = new Set<string>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param bind addresses, of which `0.0.0.0` and `::` are all of the host's IPv4 addresses and all of its addresses; port
   * 0 lets the system choose one. What is named twice is served once
   * @param now milliseconds on a monotonic clock
   * @throws {ListenError} when one of them cannot be bound, or none of those that a wildcard stands for; nothing is bound
   * then
   */
  constructor(bind: readonly SocketAddress[], now: () => number) {
    this.#now = now;
    try {
      this.bound = bind.map((each) => this.#open(each));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The addresses and ports that are served, as `192.0.2.1#53`. */
  get addresses(): string[] {
    return [...this.#endpoints.keys()];
  }

  serve(responder: Responder): void {
    for (const endpoint of this.#endpoints.values()) endpoint.serve(responder);
    if (this.bound.some(({ address }) => isWildcard(address))) {
      this.#timer = setInterval(
        () => this.#refresh(responder),
        REFRESH_INTERVAL,
      );
    }
  }

  /** Binds to an address, or all that it stands for; returns it with its port. */
  #open({ address: bind, port }: SocketAddress): SocketAddress {
    let failure: unknown, isBound = false;
    for (const address of addressesOf(bind)) {
      const name = `${address}#${port}`;
      try {
        if (!this.#endpoints.has(name)) {
          const opened = openAnyPort({ address, port }, this.#now);
          ({ port } = opened);
          this.#endpoints.set(`${address}#${port}`, opened.endpoint);
        }
        isBound = true;
      } catch (error) {
        if (!isWildcard(bind)) throw error;
        failure ??= error;
        this.#warn(name, error);
      }
    }
    if (!isBound) throw failure;
    return { address: bind, port };
  }

  /** Follows the addresses that the host has. */
  #refresh(responder: Responder): void {
    const wanted = new Map(
      this.bound.flatMap(({ address: bind, port }) =>
        addressesOf(bind).map((address) => [
          `${address}#${port}`,
          { address, port },
        ])
      ),
    );
    for (const [name, endpoint] of this.#endpoints) {
      if (wanted.has(name)) continue;
      this.#endpoints.delete(name);
      endpoint.close();
      log("dns").info(
        `no longer serving on ${name}, which this host does not have any more`,
      );
    }
    for (const [name, at] of wanted) {
      if (this.#endpoints.has(name)) continue;
      try {
        const { endpoint } = openAll(at, this.#now);
        this.#endpoints.set(name, endpoint);
        endpoint.serve(responder);
        this.#failed.delete(name);
        log("dns").info(`serving on ${name} too`);
      } catch (error) {
        this.#warn(name, error);
      }
    }
  }

  #warn(name: string, error: unknown): void {
    if (this.#failed.has(name)) return;
    this.#failed.add(name);
    const { message, cause } = error as Error;
    log("dns").warn(`${message}: ${cause}`);
  }

  drain(): void {
    clearInterval(this.#timer);
    for (const endpoint of this.#endpoints.values()) endpoint.drain();
  }

  async close(): Promise<void> {
    this.drain();
    await Promise.all(
      [...this.#endpoints.values()].map((endpoint) => endpoint.close()),
    );
  }
}
