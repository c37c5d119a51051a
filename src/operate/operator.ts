/**
 * What the operator can ask of the running daemon: each command of the control protocol, done to the registry and
 * noted in the store.
 *
 * @module
 */
import {
  type CommandName,
  ControlError,
  noUnikernel,
  type ReloadReport,
  type Request,
  restartNeeded,
  type UnikernelStatus,
  type UpstreamStatus,
} from "../control/protocol.ts";
import type { Handler, Reply } from "../control/server.ts";
import { log } from "../log.ts";
import { operatorChange, type Store } from "../store/store.ts";
import type { SummonStatus } from "../summon/status.ts";
import type { SummonedUnikernel } from "../summon/summons.ts";
import {
  STOP_MODES,
  type StopMode,
  type Unikernel,
} from "../summon/unikernel.ts";
import type { ReadSpec, Reloaded, Unreadable } from "../fleet/configuration.ts";
import type { Recorder } from "../fleet/recorder.ts";
import type { PutOutcome, Registry } from "../fleet/fleet.ts";

export interface OperatorOptions {
  registry: Registry;
  store: Store;
  recorder: Recorder;
  /** The name of the backend. */
  backend: string;
  /** The summoner's clock, in milliseconds. */
  now(): number;
  readSpec: ReadSpec;
  /** Reads the configuration again; all of it, or nothing. */
  reload(): Reloaded | Unreadable;
  /** How the servers are that other names are asked of. */
  upstreams(): Promise<UpstreamStatus[]>;
}

/** See the module's comment. */
export class Operator {
  readonly #registry: Registry;
  readonly #store: Store;
  readonly #options: OperatorOptions;
  #readSpec: ReadSpec;
  #reloading: Promise<unknown> = Promise.resolve();

  constructor(options: OperatorOptions) {
    this.#registry = options.registry;
    this.#store = options.store;
    this.#options = options;
    this.#readSpec = options.readSpec;
  }

  /** For the control server. */
  readonly handle: Handler = (request) =>
    this.#commands[request.command](
      request as never,
    );

  readonly #commands: {
    [C in CommandName]: (
      request: Request<C>,
    ) => Promise<Reply>;
  } = {
    status: ({ name }) => this.#status(name),
    start: ({ name }) => this.#start(name),
    stop: ({ name, mode }) => this.#stop(name, mode),
    add: ({ spec, replace }) => this.#add(spec, replace ?? false),
    remove: ({ name, stop }) => this.#remove(name, stop ?? false),
    history: ({ name, limit }) => this.#history(limit, name),
    reload: async ({ stop }) => ({ result: await this.reload(stop) }),
    upstreams: async () => ({ items: await this.#options.upstreams() }),
  };

  #status(name?: string): Promise<Reply> {
    return Promise.try(() => {
      const found = name === undefined
        ? this.#registry.all()
        : [this.#find(name)];
      return {
        items: Iterator.from(found).map((each) => this.#statusOf(each)),
      };
    });
  }

  async #start(name: string): Promise<Reply> {
    const summoned = this.#find(name);
    await settled(summoned.summon("the operator", "operator"));
    return { result: this.#statusOf(summoned) };
  }

  async #stop(
    name: string,
    text?: string,
  ): Promise<Reply> {
    const mode = text as StopMode | undefined;
    if (mode !== undefined && !STOP_MODES.includes(mode)) {
      throw new ControlError([
        `there is no mode ${mode}: it is one of ${STOP_MODES.join(", ")}`,
      ], true);
    }
    const summoned = this.#find(name);
    await settled(summoned.stop("stopped by the operator", mode));
    return { result: this.#statusOf(summoned) };
  }

  async #add(
    spec: string,
    replace: boolean,
  ): Promise<Reply> {
    const read = this.#readSpec(spec);
    if ("problems" in read) throw new ControlError(read.problems, true);
    const { name } = read;
    if (!replace && this.#registry.get(name) !== undefined) {
      throw new ControlError([
        `there is a unikernel ${name} already: see jitsu status ${name}; --replace gives it this CONFIG`,
      ], true);
    }
    const outcome = await settled(this.#put(read, "jitsu add"));
    return { result: { name, outcome } };
  }

  async #remove(name: string, stop: boolean): Promise<Reply> {
    this.#find(name);
    await settled(this.#drop(name, stop, "jitsu remove"));
    return { result: { name } };
  }

  async #history(limit: number, name?: string): Promise<Reply> {
    return { items: await settled(this.#store.history(limit, name)) };
  }

  /**
   * Reads the configuration again and applies what is different. A machine whose unikernel stays as it was is not
   * touched; that of one that is gone is left as it is, unless `stop`. Rejects with {@linkcode ControlError} when the
   * configuration cannot be read, and nothing has changed then, or when a part of it cannot be served.
   */
  reload(stop = false): Promise<ReloadReport> {
    const reloaded = this.#reloading.then(() => this.#apply(stop));
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  /** SIGHUP. Why it failed is in the log. */
  hangUp(): void {
    this.reload().catch((error) => {
      if (!(error instanceof ControlError)) throw error;
    });
  }

  async #apply(stop: boolean): Promise<ReloadReport> {
    const read = this.#options.reload();
    if ("problems" in read) {
      const problems = [...read.problems, "nothing was changed"];
      for (const problem of problems) log("jitsu").error(`reload: ${problem}`);
      throw new ControlError(problems);
    }
    const { unikernels, needRestart } = read;
    this.#readSpec = read.readSpec;
    const named = new Set(unikernels.map(({ name }) => name));
    const gone = [...this.#registry.all()]
      .map(({ unikernel }) => unikernel)
      .filter(({ name, fromFile }) => fromFile && !named.has(name))
      .map(({ name }) => name);
    const report: ReloadReport = {
      added: [],
      changed: [],
      removed: gone,
      unchanged: [],
      needRestart,
    };
    const problems: string[] = [];
    const attempt = async (name: string, work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        problems.push(`${name}: ${(error as Error).message}`);
      }
    };
    // Those that are gone first: what they had may belong to others now.
    await Promise.all(
      gone.map((name) => attempt(name, () => this.#drop(name, stop, "reload"))),
    );
    await Promise.all(
      unikernels.map((unikernel) =>
        attempt(unikernel.name, async () => {
          const outcome = await this.#put(unikernel, "reload");
          report[outcome].push(unikernel.name);
        })
      ),
    );
    const { added, changed, removed, unchanged } = report;
    log("jitsu").info(
      `configuration reloaded: ${added.length} added, ${changed.length} changed, ${removed.length} removed, ${unchanged.length} unchanged`,
      report,
    );
    if (needRestart.length > 0) {
      log("jitsu").warn(restartNeeded(needRestart));
    }
    for (const problem of problems) log("jitsu").error(`reload: ${problem}`);
    if (problems.length > 0) {
      throw new ControlError([...problems, "everything else was applied"]);
    }
    return report;
  }

  async #put(unikernel: Unikernel, reason: string): Promise<PutOutcome> {
    const { name, spec, fromFile } = unikernel;
    const outcome = await this.#registry.put(unikernel);
    if (outcome !== "unchanged") {
      const { backend } = this.#options;
      await noted(
        this.#store.configure(
          { name, backend, spec, fromFile },
          operatorChange(reason),
        ),
      );
    }
    return outcome;
  }

  async #drop(name: string, stop: boolean, reason: string): Promise<void> {
    try {
      await this.#registry.remove(
        name,
        stop ? "removed by the operator" : undefined,
      );
    } finally {
      this.#options.recorder.forget(name);
      await noted(this.#store.remove(name, operatorChange(reason)));
    }
  }

  #find(name: string): SummonedUnikernel {
    const found = this.#registry.get(name);
    if (found !== undefined) return found;
    throw noUnikernel(name);
  }

  #statusOf(summoned: SummonStatus): UnikernelStatus {
    const { unikernel, usage } = summoned;
    const { now } = this.#options;
    const date = (time: number) => Math.round(Date.now() - (now() - time));
    const dns = [...usage].map(([name, { requests, lastRequest }]) => ({
      name,
      requests,
      lastRequest: requests > 0 ? date(lastRequest) : null,
    }));
    return {
      name: unikernel.name,
      state: summoned.state,
      since: date(summoned.since),
      failure: summoned.state === "failed" ? summoned.failure : null,
      unconfirmed: summoned.unconfirmed ?? null,
      ours: summoned.ours,
      idleIn: rounded(summoned.idleIn),
      mode: unikernel.mode,
      ttl: unikernel.ttl,
      addresses: [...unikernel.addresses],
      dns,
      requests: dns.reduce((sum, { requests }) => sum + requests, 0),
      starts: summoned.starts,
      failures: summoned.failures,
      timeToReady: rounded(summoned.lastTimeToReady),
      spec: unikernel.spec,
    };
  }
}

/** Waits for a change to be stored that has been made. */
async function noted(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new Error(`done, but not stored yet: ${(error as Error).message}`);
  }
}

/** Waits for what was asked for: when it fails, the operator is told why. */
async function settled<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new ControlError([(error as Error).message]);
  }
}

const rounded = (ms?: number) => ms === undefined ? null : Math.round(ms);
