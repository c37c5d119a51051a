/**
 * Responses that come later than their queries are read: how many there may be, and that a query which is repeated
 * meanwhile is answered once.
 *
 * @module
 */
import { log } from "../../log.ts";
import { MAX_MESSAGE } from "../wire/constants.ts";
import { isLoopback } from "./guard.ts";
import type { Inquiry } from "../wire/inquiry.ts";

/** The most responses that may be still to come, in all and for one client that is not on this host. */
const MAX_WAITING = 5000, MAX_WAITING_PER_CLIENT = 500;

/** Writes a response and returns its length. */
export type Writer = (out: Uint8Array) => number;

/** What became of a query that was to be answered later. */
export type Deferral = "under way" | "joined" | "refused";

/** See the module's comment. */
export class LateResponses {
  /** By what makes a repeated query the same. */
  readonly #waiting = new Set<string>();
  /** How many each client waits for. */
  readonly #clients = new Map<string, number>();
  /** Where all of them are written. */
  readonly #response = new Uint8Array(MAX_MESSAGE);
  #idle: (() => void)[] = [];

  /** How many are still to come. */
  get count(): number {
    return this.#waiting.size;
  }

  /** Resolves as soon as none is still to come. */
  async idle(): Promise<void> {
    if (this.#waiting.size > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /**
   * Sends the response when `work`, which is given the query to keep, has made it. A client that gives up and repeats its
   * query, with the same ID from the same port, is joined to the one under way; one is refused where too many wait.
   */
  add(
    inquiry: Inquiry,
    work: (kept: Inquiry) => Promise<Writer>,
  ): Deferral {
    const { transport, peer, packet } = inquiry;
    const client = peer.hostname;
    const question = packet.subarray(0, inquiry.query.questionEnd);
    const key = `${transport.name} ${client} ${peer.port} ${
      String.fromCharCode(...question)
    }`;
    if (this.#waiting.has(key)) return "joined";
    const waits = this.#clients.get(client) ?? 0;
    if (
      this.#waiting.size >= MAX_WAITING ||
      waits >= MAX_WAITING_PER_CLIENT && !isLoopback(peer.octets)
    ) {
      return "refused";
    }
    this.#waiting.add(key);
    this.#clients.set(client, waits + 1);
    this.#answer(inquiry.keep(), work, key, client);
    return "under way";
  }

  async #answer(
    kept: Inquiry,
    work: (kept: Inquiry) => Promise<Writer>,
    key: string,
    client: string,
  ): Promise<void> {
    try {
      const write = await work(kept);
      const length = write(this.#response);
      kept.transport.send(this.#response.subarray(0, length), kept.peer);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log("dns").error(`a response could not be made: ${text}`);
    } finally {
      this.#done(key, client);
    }
  }

  #done(key: string, client: string): void {
    this.#waiting.delete(key);
    const left = this.#clients.get(client)! - 1;
    if (left > 0) this.#clients.set(client, left);
    else this.#clients.delete(client);
    if (this.#waiting.size === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }
}
