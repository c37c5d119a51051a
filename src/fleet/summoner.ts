/**
 * All unikernels of the daemon: takes them over from their backend, bounds what they do at the same time, and looks
 * after them in case an event was lost.
 *
 * @module
 */
import type { Machine } from "../backends/backend.ts";
import { log } from "../log.ts";
import { Limit } from "../limit.ts";
import type { Past, SummonContext } from "../summon/context.ts";
import { SummonedUnikernel } from "../summon/summons.ts";
import { TransitionFeed, type Transitions } from "../summon/transitions.ts";
import type { Unikernel } from "../summon/unikernel.ts";
import { within } from "../wait.ts";

export interface SummonerOptions
  extends Partial<Omit<SummonContext, "starts" | "stops" | "transitions">> {
  /** How many machines may be started at once, and how many stopped; 8 unless given. */
  maxStarts?: number;
  /** Milliseconds between two rounds that read the state of every machine; 30,000 unless given. */
  reconcileInterval?: number;
}

/** Summons unikernels and stops them when they are idle. */
export class Summoner {
  readonly #all = new Set<SummonedUnikernel>();
  readonly #transitions = new TransitionFeed();
  readonly #context: SummonContext;
  readonly #reconcileInterval: number;
  #timer?: ReturnType<typeof setTimeout>;
  #closed = false;

  constructor(options: SummonerOptions = {}) {
    const { maxStarts = 8 } = options;
    this.#context = {
      id: options.id ?? crypto.randomUUID().replaceAll("-", ""),
      now: options.now ?? (() => performance.now()),
      waitForXenstoreKey: options.waitForXenstoreKey ??
        (() => Promise.reject(new Error("there is no xenstore here"))),
      holders: options.holders ?? [],
      transitions: this.#transitions,
      starts: new Limit(maxStarts),
      stops: new Limit(maxStarts),
    };
    this.#reconcileInterval = options.reconcileInterval ?? 30_000;
    this.#reconcileLater();
  }

  /** The changes of state of all of them. */
  get transitions(): Transitions {
    return this.#transitions;
  }

  /**
   * Takes over a machine, which becomes its own: one that runs is ready from now on, and its idle clock starts, or goes
   * on where it is known from before.
   * Rejects with BackendError when the machine's state cannot be read.
   */
  async add(
    unikernel: Unikernel,
    machine: Machine,
    past?: Past,
  ): Promise<SummonedUnikernel> {
    const summoned = new SummonedUnikernel(unikernel, machine, this.#context);
    try {
      await summoned.adopt(past);
    } catch (error) {
      summoned.close();
      throw error;
    }
    if (this.#closed) summoned.close();
    this.#all.add(summoned);
    return summoned;
  }

  /**
   * Gives a machine up, as it is. Resolves when that is done, which is when nobody waits for it any more: until then it
   * must not be added again.
   */
  async remove(summoned: SummonedUnikernel): Promise<void> {
    await summoned.retire();
    this.#all.delete(summoned);
  }

  /**
   * Stops all machines that run and may be stopped, each in its mode. Resolves when that is done, or after `timeout` milliseconds: those
   * that are not stopped by then are named in the log. Never rejects.
   */
  async stopAll(reason: string, timeout: number): Promise<void> {
    const running = [...this.#all].filter(({ state, mayStop }) =>
      mayStop &&
      (state === "starting" || state === "ready" || state === "stopping")
    );
    const stops = running.map((each) => each.stop(reason));
    await within(timeout, Promise.allSettled(stops));
    const left = running.filter(({ state }) => state === "stopping");
    if (left.length > 0) {
      const names = left.map(({ unikernel }) => unikernel.name);
      log("summon").warn(
        `not stopped within ${timeout / 1000} s: ${names.join(", ")}`,
        { unikernels: names, ms: timeout },
      );
    }
  }

  /** Lets go of all machines as they are. Whoever waits for one is refused: "Jitsu is shutting down". */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const each of this.#all) each.close();
  }

  #reconcileLater(): void {
    this.#timer = setTimeout(async () => {
      for (const each of this.#all) await each.reconcile(); // one by one: there is no hurry
      if (!this.#closed) this.#reconcileLater();
    }, this.#reconcileInterval);
  }
}
