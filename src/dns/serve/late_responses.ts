/**
 * Responses that come later than their queries are read: how many there may be, and that a query which is repeated
 * meanwhile is answered once.
 *
 * @module
 */
import { log } from "../../log.ts";
import { MAX_MESSAGE } from "../wire/constants.ts";
import type { Inquiry } from "../wire/inquiry.ts";
import { type Place, Places } from "../../net/places.ts";
import { domainOf } from "../wire/query.ts";
import type { Transport } from "../wire/transport.ts";

/** The most responses that may be still to come. */
const MAX_WAITING = 5000;

/** Writes a response and returns its length. */
export type Writer = (out: Uint8Array) => number;

/** What became of a query that was to be answered later. */
export type Deferral = "under way" | "joined" | "refused";

/** See the module's comment. */
export class LateResponses {
  /** By what makes a repeated query the same: where it came by, who asks, and what. */
  readonly #waiting = new Map<Transport, Set<string>>();
  #count = 0;
  readonly #places: Places;
  /** Where all of them are written. */
  readonly #response = new Uint8Array(MAX_MESSAGE);
  #idle: (() => void)[] = [];

  /** @param now milliseconds on a monotonic clock */
  constructor(now: () => number) {
    this.#places = new Places(MAX_WAITING, now);
  }

  /** How many are still to come. */
  get count(): number {
    return this.#count;
  }

  /** Resolves as soon as none is still to come. */
  async idle(): Promise<void> {
    if (this.#count > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /**
   * Sends the response when `work`, which is given the query to keep, has made it; or that of `giveUp`, where it has
   * waited for long and others need the place. A client that gives up and repeats its query, with the same ID from the
   * same port, is joined to the one under way; one is refused where too many wait.
   */
  add(
    inquiry: Inquiry,
    work: (kept: Inquiry) => Promise<Writer>,
    giveUp: (kept: Inquiry) => Writer,
  ): Deferral {
    const { transport, peer, packet } = inquiry;
    const question = packet.subarray(0, inquiry.query.questionEnd);
    const key = `${peer.hostname} ${peer.port} ${
      String.fromCharCode(...question)
    }`;
    const waiting = this.#waiting.get(transport) ?? new Set();
    if (waiting.has(key)) return "joined";
    const given = Promise.withResolvers<Writer>();
    const place = this.#places.take(
      peer.octets,
      domainOf(packet),
      () => given.resolve(giveUp(kept)),
    );
    if (place === undefined) return "refused";
    const kept = inquiry.keep();
    this.#waiting.set(transport, waiting.add(key));
    this.#count++;
    this.#answer(kept, Promise.race([work(kept), given.promise]), key, place);
    return "under way";
  }

  async #answer(
    kept: Inquiry,
    writer: Promise<Writer>,
    key: string,
    place: Place,
  ): Promise<void> {
    try {
      const write = await writer;
      const length = write(this.#response);
      kept.transport.send(this.#response.subarray(0, length), kept.peer);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log("dns").error(`a response could not be made: ${text}`);
    } finally {
      place.leave();
      this.#done(kept.transport, key);
    }
  }

  #done(transport: Transport, key: string): void {
    const waiting = this.#waiting.get(transport)!;
    waiting.delete(key);
    if (waiting.size === 0) this.#waiting.delete(transport);
    if (--this.#count === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }
}
