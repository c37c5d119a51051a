/**
 * When nobody needs a machine any more: neither those who ask for it here, nor those who hold an answer whose TTL is not
 * over, nor another Jitsu that is asked for it too.
 *
 * @module
 */
import type { Past } from "./context.ts";
import { Expiry } from "./expiry.ts";
import type { Ownership, Use } from "./ownership.ts";
import { seconds, type UnikernelLog } from "./text.ts";
import type { Unikernel } from "./unikernel.ts";
import { Usage } from "./usage.ts";

/** Milliseconds that an idle machine which cannot be stopped is left alone, at the most; its idle time if that is longer. */
const LONGEST_STOP_WAIT = 3_600_000;

/** What the idle clock needs of its surroundings. */
export interface IdleContext {
  readonly ownership: Ownership;
  /** A monotonic clock in milliseconds. */
  now(): number;
  readonly log: UnikernelLog;
  /** Whether somebody waits for the machine to become ready. */
  isWaitedFor(): boolean;
  /** Whether the machine runs, and nothing is being done to end that. */
  isUp(): boolean;
  /** Nobody needs the machine any more; `reason` is for the log. */
  onIdle(reason: string): void;
}

/** The idle clock of one unikernel, with all that keeps it from going off. */
export class Idle {
  #unikernel: Unikernel;
  #usage: Usage;
  readonly #context: IdleContext;
  readonly #expiry: Expiry;
  /** Of answers with a TTL that it had before. */
  #answersGood = -Infinity;
  /** How often in a row it could not be stopped when it was idle. */
  #stopFailures = 0;

  constructor(unikernel: Unikernel, context: IdleContext) {
    this.#unikernel = unikernel;
    this.#context = context;
    this.#usage = new Usage(unikernel.dns);
    this.#expiry = new Expiry(
      this.#usage,
      this.#idleTime,
      context.now,
      (idle) => this.#expire(idle),
    );
  }

  /** Where DNS notes each request; another one after {@linkcode change}. */
  get usage(): Usage {
    return this.#usage;
  }
  /** Milliseconds until it is stopped if nobody asks for it; `undefined` while the idle clock stands. */
  get left(): number | undefined {
    return this.#expiry.left;
  }
  /** When the TTLs of all answers that were given out are over, by the summoner's clock; `-Infinity` where there are none. */
  get goodUntil(): number {
    return Math.max(
      this.#answersGood,
      this.#usage.lastRequest + this.#unikernel.ttl * 1000,
    );
  }
  /** Whether it is stopped without having been told to: one that somebody else started is his, unless it was given to us. */
  get mayStop(): boolean {
    return this.#context.ownership.started || this.#unikernel.adopt === "stop";
  }
  /** How it is used here, for others to know. */
  get use(): Use {
    const { lastRequest } = this.#usage;
    const { ttl } = this.#unikernel;
    return { lastRequest, ttl, idleTime: this.#idleTime };
  }

  /** Goes on from what an earlier daemon counted. */
  recall({ usage, goodUntil = -Infinity }: Past): void {
    this.#usage.restore(usage);
    this.#keepAnswersGood(goodUntil);
  }

  /** Goes on with another configuration: what was counted of names that stay is kept. */
  change(unikernel: Unikernel): void {
    const { goodUntil } = this;
    this.#unikernel = unikernel;
    const usage = new Usage(unikernel.dns);
    usage.restore(this.#usage);
    this.#usage = usage;
    this.#keepAnswersGood(goodUntil);
    this.#expiry.change(usage, this.#idleTime);
  }

  /** Starts the idle clock of a machine that may be stopped, as of `since` where that is given. */
  begin(since?: number): void {
    if (this.mayStop) {
      this.#expiry.restart(since);
      return;
    }
    this.#context.log(
      "info",
      "Jitsu did not start it, so it is left alone when nobody asks for it (adopt=leave)",
    );
  }

  /** The machine was idle and could not be stopped, as when there is no room to save it: each time it is left for twice as long. */
  stopFailed(): void {
    const wait = this.#idleTime * 2 ** this.#stopFailures++;
    const longest = Math.max(this.#idleTime, LONGEST_STOP_WAIT);
    this.#expiry.keepUntil(this.#context.now() + Math.min(wait, longest));
  }

  /** It could be stopped. */
  stopped(): void {
    this.#stopFailures = 0;
  }

  /** Stops the idle clock. */
  end(): void {
    this.#expiry.stop();
  }

  /** Milliseconds without a request until it is stopped. */
  get #idleTime(): number {
    return 2 * this.#unikernel.ttl * 1000;
  }

  /** Answers with another TTL were given out before. */
  #keepAnswersGood(until: number): void {
    this.#answersGood = Math.max(this.#answersGood, until);
    this.#expiry.keepUntil(until);
  }

  /** Nobody has asked for it here for its idle time. */
  async #expire(idle: number): Promise<void> {
    const { ownership, now, log, isWaitedFor, isUp, onIdle } = this.#context;
    if (isWaitedFor()) return; // which starts the idle clock again in the end
    if (ownership.isShared) {
      const left = await ownership.usedElsewhere();
      if (!isUp() || this.#expiry.left !== undefined) return;
      const isOver = now() - this.#usage.lastRequest >= this.#idleTime;
      if (isWaitedFor() || left > 0 || !isOver) {
        if (left > 0) {
          log("debug", `in use at another Jitsu for ${seconds(left)}`);
        }
        this.#expiry.keepUntil(now() + left);
        this.#expiry.resume();
        return;
      }
    }
    onIdle(`idle for ${Math.round(idle / 1000)} s`);
  }
}
