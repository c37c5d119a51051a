/**
 * The operator's commands where the daemon does not run: what they can do with its database alone, in the words of the
 * control protocol.
 *
 * @module
 */
import { BACKENDS } from "../../backends/registry.ts";
import {
  type CommandName,
  ControlError,
  noUnikernel,
  type Request,
  type UnikernelStatus,
  Unreachable,
} from "../../control/protocol.ts";
import { SqliteStore } from "../../store/sqlite.ts";
import {
  operatorChange,
  type Store,
  type StoredUnikernel,
} from "../../store/store.ts";
import type { Unikernel } from "../../summon/unikernel.ts";
import { readArguments } from "../read/args.ts";
import { readSpec } from "../read/unikernels.ts";

/** All of a reply. */
export interface Answer {
  items: unknown[];
  result: unknown;
}

/** The database of a daemon that does not run. */
export class StoppedDaemon implements AsyncDisposable {
  readonly #store: Store;
  readonly #path: string;
  readonly #backend: string;

  /**
   * Opens the database. Rejects with `Unreachable` when there is none, and with `StoreError` when it is not fit or
   * another program has it. `backend` is that of the unikernels to add.
   */
  static async open(path: string, backend: string): Promise<StoppedDaemon> {
    try {
      await Deno.stat(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Unreachable(`no daemon runs, and there is no database ${path}`);
    }
    // Nothing of it is run here, and the service may be another user's than who looks at it.
    const store = await SqliteStore.open(path, { anyOwner: true });
    return new StoppedDaemon(store, path, backend);
  }

  private constructor(store: Store, path: string, backend: string) {
    this.#store = store;
    this.#path = path;
    this.#backend = backend;
  }

  /** Does what is asked. Rejects with `ControlError` when it is refused, or needs the daemon. */
  async ask(request: Request<CommandName>): Promise<Answer> {
    switch (request.command) {
      case "status": {
        const all = await this.#store.unikernels();
        const { name } = request;
        const found = name === undefined ? all : [find(all, name)];
        return { items: found.map(statusOf), result: null };
      }
      case "history": {
        const { limit, name } = request;
        return { items: await this.#store.history(limit, name), result: null };
      }
      case "add":
        return { items: [], result: await this.#add(request) };
      case "remove": {
        const { name, stop } = request;
        if (stop) break;
        find(await this.#store.unikernels(), name);
        await this.#store.remove(name, operatorChange("jitsu remove"));
        return { items: [], result: { name } };
      }
    }
    throw new ControlError([
      `${request.command}: no daemon runs that has ${this.#path}`,
    ]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#store.close();
  }

  async #add({ spec: text, replace }: Request<"add">) {
    const read = unikernelOf(text, this.#backend);
    if ("problems" in read) throw new ControlError(read.problems, true);
    const { name, spec } = read;
    const all = await this.#store.unikernels();
    const isKnown = all.some((each) => each.name === name);
    if (isKnown && !replace) {
      throw new ControlError([
        `there is a unikernel ${name} already; --replace gives it this CONFIG`,
      ], true);
    }
    await this.#store.configure(
      { name, backend: this.#backend, spec, fromFile: false },
      operatorChange("jitsu add"),
    );
    return { name, outcome: isKnown ? "changed" : "added" };
  }
}

function find(
  all: readonly StoredUnikernel[],
  name: string,
): StoredUnikernel {
  const found = all.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw noUnikernel(name);
}

/** A unikernel as a daemon without further options has it. */
function unikernelOf(
  spec: string,
  backend: string,
): Unikernel | { problems: string[] } {
  const { values } = readArguments([]);
  const description = BACKENDS.find(({ name }) => name === backend);
  if (description === undefined) {
    return { problems: [`there is no backend ${backend}`] };
  }
  return readSpec(spec, { ...values, backend: description });
}

function statusOf(
  { name, backend, spec, statistics }: StoredUnikernel,
): UnikernelStatus {
  const read = unikernelOf(spec, backend);
  const unikernel = "problems" in read ? undefined : read;
  const dns = (statistics?.names ?? []).map((each) => ({
    ...each,
    lastRequest: each.lastRequest ?? null,
  }));
  return {
    name,
    state: statistics?.state ?? "off",
    since: statistics?.since ?? Date.now(),
    failure: null,
    unconfirmed: null,
    ours: statistics?.ours ?? false,
    idleIn: null,
    mode: unikernel?.mode ?? "",
    ttl: unikernel?.ttl ?? 0,
    addresses: [...unikernel?.addresses ?? []],
    dns,
    requests: dns.reduce((sum, { requests }) => sum + requests, 0),
    starts: statistics?.starts ?? 0,
    failures: statistics?.failures ?? 0,
    timeToReady: statistics?.timeToReady ?? null,
    spec,
  };
}
