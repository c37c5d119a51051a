/**
 * Where DNS is served: UDP and TCP on one address, or on each of the host's.
 *
 * `0.0.0.0` and `::` are not bound as such. A UDP socket that is bound to all addresses answers from whichever the
 * kernel picks, and a client takes no answer from an address that it did not ask. So each address of the host has
 * sockets of its own, and when addresses come and go, so do they.
 *
 * @module
 */
import { log } from "../../log.ts";
import { addressesOf, isWildcard } from "../../net/own_addresses.ts";
import type { Responder } from "./responder.ts";
import { TcpServer } from "./tcp.ts";
import { UdpServer } from "./udp.ts";

/** Milliseconds between two looks at the host's addresses. */
const REFRESH_INTERVAL = 5_000;

/** A socket could not be bound; `cause` is what Deno said. */
export class ListenError extends Error {
  override name = "ListenError";
  readonly protocol: "UDP" | "TCP";

  constructor(
    protocol: "UDP" | "TCP",
    address: string,
    port: number,
    cause: Error,
  ) {
    super(`cannot serve DNS on ${address}#${port} over ${protocol}`, { cause });
    this.protocol = protocol;
  }
}

/** UDP and TCP on one address. */
class Listener {
  readonly port: number;
  readonly #udp: UdpServer;
  readonly #tcp: TcpServer;
  #served: Promise<unknown> = Promise.resolve();

  constructor(responder: Responder, address: string, port: number) {
    this.#udp = bound(
      "UDP",
      address,
      port,
      () => new UdpServer(responder, address, port),
    );
    this.port = this.#udp.address.port;
    try {
      this.#tcp = bound(
        "TCP",
        address,
        this.port,
        () => new TcpServer(responder, address, this.port),
      );
    } catch (error) {
      this.#udp.close();
      throw error;
    }
  }

  serve(): void {
    this.#served = Promise.all([this.#udp.serve(), this.#tcp.serve()]);
  }

  drain(): void {
    this.#udp.drain();
    this.#tcp.drain();
  }

  async close(): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
    await this.#served;
  }
}

/** How often another port is taken when the system's choice for UDP is taken on TCP. */
const PORT_TRIES = 20;

/** A listener on that port; with port 0, on one that is free on both UDP and TCP. */
function openListener(
  responder: Responder,
  address: string,
  port: number,
): Listener {
  for (let tries = port === 0 ? PORT_TRIES : 1;; tries--) {
    try {
      return new Listener(responder, address, port);
    } catch (error) {
      const { cause } = error as Error;
      if (tries === 1 || !(cause instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

function bound<T>(
  protocol: "UDP" | "TCP",
  address: string,
  port: number,
  open: () => T,
): T {
  try {
    return open();
  } catch (error) {
    throw new ListenError(protocol, address, port, error as Error);
  }
}

/** All sockets. */
export class Listeners {
  /** The port of all sockets. */
  readonly port: number;
  readonly #responder: Responder;
  readonly #bind: string;
  readonly #isWildcard: boolean;
  readonly #listeners = new Map<string, Listener>();
  /** Addresses that could not be bound, so that it is told once. */
  readonly #failed = new Set<string>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param bind an address, or `0.0.0.0` or `::` for all of the host's IPv4 addresses or all of its addresses
   * @param port 0 lets the system choose one
   * @throws {ListenError} when not one address can be bound
   */
  constructor(responder: Responder, bind: string, port: number) {
    this.#responder = responder;
    this.#bind = bind;
    this.#isWildcard = isWildcard(bind);
    const addresses = addressesOf(bind);
    let failure: unknown;
    for (const address of addresses) {
      try {
        const listener = openListener(responder, address, port);
        this.#listeners.set(address, listener);
        port = listener.port;
      } catch (error) {
        if (!this.#isWildcard) throw error;
        failure ??= error;
        this.#warn(address, error);
      }
    }
    if (this.#listeners.size === 0) throw failure;
    this.port = port;
  }

  /** Serves DNS from now on; what has come before waits in the sockets. */
  serve(): void {
    for (const listener of this.#listeners.values()) listener.serve();
    if (this.#isWildcard) {
      this.#timer = setInterval(() => this.#refresh(), REFRESH_INTERVAL);
    }
  }

  /** The addresses that are served. */
  get addresses(): string[] {
    return [...this.#listeners.keys()];
  }

  #refresh(): void {
    const addresses = new Set(addressesOf(this.#bind));
    for (const [address, listener] of this.#listeners) {
      if (addresses.has(address)) continue;
      this.#listeners.delete(address);
      listener.close();
      log("dns").info(
        `no longer serving on ${address}, which this host does not have any more`,
      );
    }
    for (const address of addresses) {
      if (this.#listeners.has(address)) continue;
      try {
        const listener = new Listener(this.#responder, address, this.port);
        this.#listeners.set(address, listener);
        listener.serve();
        this.#failed.delete(address);
        log("dns").info(`serving on ${address} too`);
      } catch (error) {
        this.#warn(address, error);
      }
    }
  }

  #warn(address: string, error: unknown): void {
    if (this.#failed.has(address)) return;
    this.#failed.add(address);
    const { message, cause } = error as Error;
    log("dns").warn(`${message}: ${cause}`);
  }

  /** Takes no more queries; responses that are still to come are sent. */
  drain(): void {
    clearInterval(this.#timer);
    for (const listener of this.#listeners.values()) listener.drain();
  }

  /** Lets go of all sockets. */
  async close(): Promise<void> {
    this.drain();
    await Promise.all(
      [...this.#listeners.values()].map((listener) => listener.close()),
    );
  }
}
