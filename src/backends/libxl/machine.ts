/**
 * A guest as a machine: one thing after another is done to its domain, and what happens to it is told.
 *
 * @module
 */
import { log } from "../../log.ts";
import {
  BackendError,
  type Machine,
  type MachineState,
  type MarkPlace,
  type StartAction,
  type StateListener,
} from "../backend.ts";
import type { Context } from "./context.ts";
import { configurationOf, type DomainInfo, unpauseDomain } from "./domains.ts";
import { startProblems } from "./foresight.ts";
import type { Guest } from "./guest.ts";
import { GuestDomain, type Host, whyForeign } from "./guest_domain.ts";
import { afterShutdown, isPreserved } from "./shutdown.ts";
import { delay } from "../../wait.ts";

/** A domain that lived for less is not restarted when it crashes or asks for it: it would go on like that. */
const MIN_LIFE_MS = 10_000;

/**
 * When to look again at a domain that somebody else makes or has paused, since nobody tells that it is made or runs:
 * after so many milliseconds, then twice that, up to the last. After that it is left to whoever reads states anyway.
 */
const FIRST_LOOK_MS = 250, LAST_LOOK_MS = 16_000;

/**
 * How long a start waits for somebody else who makes, saves or migrates the domain: as long as who asked for it waits
 * for an answer, less what the calls take on a busy host, for then that answer says why there is none.
 */
const FOREIGN_PATIENCE_MS = 3000;

/** When a domain may change without anybody telling of it. */
type Unheard = "never" | "for a while" | "until it is over";

export class LibxlMachine implements Machine {
  readonly id: string;
  readonly name: string;
  onStateChange?: StateListener;
  onReboot?: (reason: string) => void;
  /** It goes with the domain, so that none is ever of an earlier run. */
  readonly mark: MarkPlace = {
    read: () =>
      this.#do("read the mark of", async (context) => {
        const info = await this.#domain.find(context);
        return info && await this.#domain.marks.use(info.domid);
      }),
    write: (mark) =>
      this.#do("mark", async (context) => {
        const info = await this.#domain.find(context);
        if (info === undefined) throw new BackendError("it does not run");
        await this.#domain.marks.setUse(info.domid, mark);
      }),
  };
  readonly #host: Host;
  #domain: GuestDomain;
  /** The end of what is being done to the domain and of what waits for that; never rejects. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Whether a look at the domain waits for its turn. */
  #willLook = false;
  #lookTimer?: ReturnType<typeof setTimeout>;
  /** The state that was told last. */
  #told: MachineState = "off";
  /** The id of the domain that was told to be running last. */
  #domid?: number;
  readonly #closed = new AbortController();
  /** Milliseconds of `performance.now()`; none where somebody else started it. */
  #startedAt = -Infinity;

  /** @throws {BackendError} where the guest's description contradicts itself */
  constructor(guest: Guest, host: Host) {
    this.id = guest.uuid;
    this.name = guest.name;
    this.#host = host;
    this.#domain = new GuestDomain(guest, host);
  }

  /** Whether a domain of it was there when it was last looked at. */
  get isThere(): boolean {
    return this.#told === "running" || this.#told === "paused";
  }

  /** Finds out what an earlier Jitsu, or somebody else, has left. */
  adopt(): Promise<void> {
    return this.#do("find", async (context) => {
      const problem = await this.#domain.saveFile.folderProblem();
      if (problem) {
        throw new BackendError(
          `save_dir=${this.#domain.guest.saveDir}: ${problem}`,
        );
      }
      const info = await this.#domain.find(context);
      if (info && await this.#domain.condition(context, info) === "over") {
        await this.#clearAway(context, info);
      }
      this.#told = await this.#state(context);
      this.#domid = info?.domid;
    });
  }

  /**
   * Describes it in another way from now on; the domain that may be there stays as it is. Rejects where the description
   * contradicts itself.
   */
  configure(guest: Guest): Promise<void> {
    return this.#do("configure", () => {
      this.#domain = new GuestDomain(guest, this.#host);
      return Promise.resolve();
    });
  }

  state(): Promise<MachineState> {
    return this.#do("read the state of", (context) => this.#state(context));
  }

  start(): Promise<StartAction> {
    return this.#turn("start", async () => {
      const giveUp = performance.now() + FOREIGN_PATIENCE_MS;
      for (let wait = FIRST_LOOK_MS; true; wait *= 2) {
        const action = await this.#host.contexts.use((context) =>
          this.#start(context)
        );
        if (typeof action === "string") return action;
        const { foreign } = action;
        const left = giveUp - performance.now();
        if (left <= 0 || this.#closed.signal.aborted) {
          this.#lookLater(FIRST_LOOK_MS);
          throw new BackendError(whyForeign(foreign));
        }
        if (wait === FIRST_LOOK_MS) {
          log("backend").warn(`${this.name}: ${whyForeign(foreign)}`);
        }
        await this.#delay(Math.min(wait, left));
      }
    });
  }

  destroy(): Promise<void> {
    return this.#do("destroy", async (context) => {
      const info = await this.#domain.find(context);
      if (info) {
        if (await this.#domain.condition(context, info) === "foreign") {
          throw new BackendError(whyForeign(info));
        }
        await this.#domain.remove(context, info);
      }
      await this.#domain.saveFile.remove();
      this.#tell("off", "destroyed");
    });
  }

  shutdown(): Promise<void> {
    return this.#do("shut down", async (context) => {
      const info = await this.#domain.find(context);
      if (info && !info.shutdown) await this.#domain.shutdown(context, info);
    });
  }

  suspend(): Promise<"suspended"> {
    return this.#do<"suspended">("suspend", async (context) => {
      const info = await this.#domain.find(context);
      const condition = info && await this.#domain.condition(context, info);
      if (condition !== "running") {
        if (await this.#state(context) === "suspended") return "suspended";
        throw new BackendError("it does not run");
      }
      await this.#domain.save(context, info!);
      this.#tell("suspended", `saved to ${this.#domain.saveFile.path}`);
      return "suspended";
    });
  }

  macAddresses(): Promise<string[]> {
    return this.#do("read the configuration of", async (context) => {
      const info = await this.#domain.find(context);
      const { nics = [] } =
        info && await configurationOf(context, info.domid) ||
        this.#domain.config;
      return nics.flatMap(({ mac }) => mac ? [mac.toLowerCase()] : []);
    });
  }

  startProblems(): Promise<string[]> {
    return this.#do(
      "examine",
      (context) => startProblems(context, this.#domain.guest),
    );
  }

  domainId(): Promise<number | undefined> {
    return this.#do("find", async (context) => {
      const info = await this.#domain.find(context);
      return info && !info.dying ? info.domid : undefined;
    });
  }

  /** Looks whether something has happened to the domain; resolves when that is done. Never rejects. */
  async look(again = FIRST_LOOK_MS): Promise<void> {
    clearTimeout(this.#lookTimer);
    if (this.#willLook) return;
    this.#willLook = true;
    try {
      await this.#do("look after", async (context) => {
        this.#willLook = false;
        let unheard: Unheard = "for a while";
        try {
          unheard = await this.#look(context);
        } finally {
          if (unheard === "until it is over") {
            this.#lookLater(Math.min(again, LAST_LOOK_MS));
          } else if (unheard === "for a while" && again <= LAST_LOOK_MS) {
            this.#lookLater(again);
          }
        }
      });
    } catch (error) {
      log("backend").warn((error as Error).message);
    }
  }

  #lookLater(wait: number): void {
    clearTimeout(this.#lookTimer);
    if (this.#closed.signal.aborted) return;
    this.#lookTimer = setTimeout(() => this.look(2 * wait), wait);
  }

  /** Resolves after so many milliseconds, or when this is closed. */
  async #delay(ms: number): Promise<void> {
    await delay(ms, this.#closed.signal).catch(() => {});
  }

  /** Set by the backend. */
  release?: () => void;

  /** Resolves when nothing is being done to the domain. */
  async idle(): Promise<void> {
    await this.#queue;
  }

  /** Lets go of it when nothing is being done to the domain. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#queue;
    clearTimeout(this.#lookTimer);
  }

  /** Does something when it is its turn. Rejects with BackendError. */
  #do<T>(words: string, work: (context: Context) => Promise<T>): Promise<T> {
    return this.#turn(words, () => this.#host.contexts.use(work));
  }

  /** As {@linkcode #do}, for what has no context all the time. */
  #turn<T>(words: string, work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work).catch((error) => {
      throw new BackendError(
        `cannot ${words} ${this.name}: ${(error as Error).message}`,
      );
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  async #state(context: Context): Promise<MachineState> {
    const info = await this.#domain.find(context);
    const condition = info && await this.#domain.condition(context, info);
    switch (condition) {
      case "running":
      case "paused":
        return condition;
      case "halted":
        return "paused";
      case "foreign":
        if (info!.shutdown) return "paused";
        /* falls through */
      default:
        return await this.#domain.saveFile.exists() ? "suspended" : "off";
    }
  }

  /** Resolves with what was done, or with the domain that somebody else is at work on. */
  async #start(
    context: Context,
  ): Promise<StartAction | { foreign: DomainInfo }> {
    const info = await this.#domain.find(context);
    if (
      info && await this.#domain.condition(context, info) === "foreign"
    ) return { foreign: info };
    const action = await this.#bringUp(context, info);
    if (action !== "found running") this.#startedAt = performance.now();
    this.#domid = (await this.#domain.find(context))?.domid;
    this.#tell("running", action);
    return action;
  }

  async #bringUp(
    context: Context,
    info: DomainInfo | undefined,
  ): Promise<StartAction> {
    const domain = this.#domain;
    switch (info && await domain.condition(context, info)) {
      case "running":
        return "found running";
      case "paused":
        await unpauseDomain(context, info!.domid);
        return "unpaused";
      case "halted":
        await domain.goOn(context, info!);
        return "unpaused";
      case "over":
        if (isPreserved(info!, domain.config)) {
          const { domid } = info!;
          throw new BackendError(
            `domain ${domid} is what is left of it and to be preserved; when you have seen enough, remove it with "xl destroy ${domid}"`,
          );
        }
        await domain.remove(context, info!);
    }
    if (await domain.saveFile.exists()) {
      await domain.restore(context);
      return "resumed";
    }
    await domain.create(context);
    return "started";
  }

  /** Resolves with whether there may be changes that nobody tells of. */
  async #look(context: Context): Promise<Unheard> {
    const info = await this.#domain.find(context);
    const condition = info && await this.#domain.condition(context, info);
    if (condition === "over" && info?.shutdown && !info.dying) {
      await this.#afterShutdown(context, info);
      return "never";
    }
    const state = await this.#state(context);
    if (condition === "running") {
      const { domid } = info!;
      const isAnew = this.#told === "running" && this.#domid !== domid;
      this.#domid = domid;
      if (isAnew) this.onReboot?.(`its domain is another, ${domid}`);
    }
    this.#tell(state, info ? "found so" : "somebody destroyed it");
    return condition === "foreign"
      ? "until it is over"
      : condition === "paused"
      ? "for a while"
      : "never";
  }

  /** Does what is to be done with a domain that shut itself down. */
  async #afterShutdown(context: Context, info: DomainInfo): Promise<void> {
    const { words, action } = afterShutdown(info, this.#domain.config);
    // Who made it has his own ideas of what to do. Where he does nothing, the next start removes it.
    if (!await this.#domain.isOurs(info) || action === "preserve") {
      this.#tell("off", words);
      return;
    }
    const life = performance.now() - this.#startedAt;
    if (action === "restart" && life >= MIN_LIFE_MS) {
      log("backend").info(`${this.name}: ${words}, restarting it`);
      this.onReboot?.(words); // from now on it does not serve
      try {
        await this.#domain.remove(context, info);
        await this.#domain.create(context);
        this.#domid = (await this.#domain.find(context))?.domid;
      } catch (error) {
        this.#tell("off", `${words} and could not be restarted`);
        throw error;
      }
      this.#startedAt = performance.now();
      return;
    }
    const soon = action === "restart"
      ? `, ${(life / 1000).toFixed(1)} s after it was started`
      : "";
    this.#tell("off", words + soon);
    await this.#domain.remove(context, info);
  }

  async #clearAway(context: Context, info: DomainInfo): Promise<void> {
    if (
      isPreserved(info, this.#domain.config) || !await this.#domain.isOurs(info)
    ) return;
    log("backend").info(
      `${this.name}: removing domain ${info.domid}, which is of no use any more`,
    );
    await this.#domain.remove(context, info);
  }

  #tell(state: MachineState, reason: string): void {
    if (state === this.#told) return;
    this.#told = state;
    this.onStateChange?.(state, reason);
  }
}
