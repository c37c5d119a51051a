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

/** The most responses that may be still to come. */
const MAX_WAITING = 5000;

/** Writes a response and returns its length. */
export type Writer = (out: Uint8Array) => number;

/** What became of a query that was to be answered later. */
export type Deferral = "under way" | "joined" | "refused";

/** See the module's comment. */
export class LateResponses {
  /** By what makes a repeated query the same. */
  readonly #waiting = new Set<string>();
  readonly #places = new Places(MAX_WAITING, () => performance.now());
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
    const key = `${transport.name} ${peer.hostname} ${peer.port} ${
      String.fromCharCode(...question)
    }`;
    if (this.#waiting.has(key)) return "joined";
    const given = Promise.withResolvers<Writer>();
    const place = this.#places.take(
      peer.octets,
      domainOf(packet),
      () => given.resolve(giveUp(kept)),
    );
    if (place === undefined) return "refused";
    const kept = inquiry.keep();
    this.#waiting.add(key);
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
      this.#done(key);
    }
  }

  #done(key: string): void {
    this.#waiting.delete(key);
    if (this.#waiting.size === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }
}
