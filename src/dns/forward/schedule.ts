/**
 * When each server of an exchange is asked, and when there is no more to hope for.
 *
 * Servers have their turns one after the other, the next one when the last is of no use, in doubt, or its patience is
 * over. When all were asked, those that are silent are asked again: a packet may be lost.
 *
 * @module
 */
import type { Upstream } from "./upstream.ts";
import type { Order } from "./upstream_order.ts";

/** How often a server is asked over UDP. */
const ROUNDS = 3;

/** What one server was asked, and said. Times are milliseconds on a monotonic clock. */
export interface Attempt {
  readonly upstream: Upstream;
  /** How often it was asked over UDP. */
  times: number;
  sentAt: number;
  /** Until when its reply is waited for before somebody else is asked, or it is again. */
  waitUntil: number;
  /** Whether it is being asked over TCP. */
  overTcp: boolean;
  /** Why there is no use in asking it again. */
  useless: string | undefined;
  /** What to make of a reply that may be forged, or could not be read, when nothing better comes in its time. */
  doubt: (() => void) | undefined;
}

/** The turns of an exchange. */
export class Schedule {
  readonly attempts: readonly Attempt[];
  /** The longest first turn: everybody has one within half of the time there is. */
  readonly #turn: number;
  readonly #probe: Upstream | undefined;
  /** The one whose turn it is. */
  #current: Attempt | undefined;

  /** @param deadline milliseconds that the exchange may take */
  constructor({ servers, probe }: Order, deadline: number) {
    this.attempts = servers.map((upstream) => ({
      upstream,
      times: 0,
      sentAt: -Infinity,
      waitUntil: Infinity,
      overTcp: false,
      useless: undefined,
      doubt: undefined,
    }));
    this.#turn = deadline / 2 / servers.length;
    this.#probe = probe;
  }

  /** Those who may still help. */
  get #open(): Attempt[] {
    return this.attempts.filter(({ useless }) => useless === undefined);
  }

  /**
   * Whether to wait no longer. Servers that are probably dead are not waited for where another has said that it cannot
   * help.
   */
  isHopeless(now: number): boolean {
    const open = this.#open;
    return open.length < this.attempts.length &&
      open.every(({ upstream, waitUntil, overTcp }) =>
        waitUntil <= now && !upstream.works && !overTcp
      );
  }

  /** Those in doubt whose time is over: there is nothing better to come. */
  doubtful(now: number): Attempt[] {
    return this.#open.filter(({ doubt, waitUntil, overTcp }) =>
      doubt !== undefined && waitUntil <= now && !overTcp
    );
  }

  /** Notes who is silent, and returns who is to be asked now. */
  due(now: number): Attempt[] {
    const open = this.#open;
    const silent = open.filter(({ waitUntil }) => waitUntil <= now);
    for (const { upstream, sentAt } of silent) upstream.silent(sentAt, now);

    const next = open.find(({ times }) => times === 0);
    if (next === undefined) {
      return silent.filter(({ times, overTcp }) => times < ROUNDS && !overTcp);
    }
    const current = this.#current;
    if (current === undefined) {
      this.#current = next;
      const probe = open.find(({ upstream }) => upstream === this.#probe);
      return probe === undefined ? [next] : [next, probe];
    }
    const { useless, doubt, waitUntil } = current;
    if (useless === undefined && doubt === undefined && waitUntil > now) {
      return [];
    }
    this.#current = next;
    return [next];
  }

  /** When somebody is due again, if nobody says anything before; `Infinity` when nobody will be. */
  nextAt(now: number): number {
    return Math.min(
      ...this.#open.map(({ waitUntil }) => waitUntil)
        .filter((time) => time > now),
    );
  }

  /** A server was asked. */
  sent(attempt: Attempt, now: number): void {
    const patience = Math.min(attempt.upstream.patience, this.#turn);
    attempt.sentAt = now;
    attempt.waitUntil = now + patience * 2 ** attempt.times++;
  }
}
