/**
 * The unikernels that are served: adds, changes and removes them while queries come in. Who wants that, and what is to
 * be remembered of it, is not known here.
 *
 * A query sees a unikernel as it was or as it is, never neither: whatever takes time (finding a machine, reading its
 * state) is done before, and the names change hands in one turn of the event loop. What is done to one name is done in
 * the order of the calls; different names do not wait for each other.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import type { Backend, Machine } from "../backends/backend.ts";
import { parseName } from "../dns/wire/name.ts";
import type { Zone } from "../dns/zone/zone.ts";
import { log } from "../log.ts";
import { few } from "../visible.ts";
import type { Past } from "../summon/context.ts";
import type { Summoner } from "./summoner.ts";
import type { SummonedUnikernel } from "../summon/summons.ts";
import type { Unikernel } from "../summon/unikernel.ts";

/** A unikernel cannot be served, or is not there. The message is one line. */
export class RegistryError extends Error {
  override name = "RegistryError";
}

/** What {@linkcode Registry.put} did. */
export type PutOutcome = "added" | "changed" | "unchanged";

interface Entry {
  summoned: SummonedUnikernel;
  machine: Machine;
  /** That of the machine, as it was when it was found. */
  id: string;
}

/** See the module's comment. */
export class Registry {
  readonly #backend: Backend;
  readonly #zone: Zone;
  readonly #summoner: Summoner;
  readonly #hasSynjitsu: boolean;
  /** By the unikernel's name, in the order in which they came. */
  readonly #entries = new Map<string, Entry>();
  /** The names by the ids of their machines, also of those that are being added. */
  readonly #owners = new Map<string, string>();
  /** The end of what is being done to each name. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(
    backend: Backend,
    zone: Zone,
    summoner: Summoner,
    hasSynjitsu: boolean,
  ) {
    this.#backend = backend;
    this.#zone = zone;
    this.#summoner = summoner;
    this.#hasSynjitsu = hasSynjitsu;
  }

  get(name: string): SummonedUnikernel | undefined {
    return this.#entries.get(name)?.summoned;
  }

  /** All of them, in the order in which they came. */
  *all(): Iterable<SummonedUnikernel> {
    for (const { summoned } of this.#entries.values()) yield summoned;
  }

  /**
   * Serves it from now on, in place of the one of its name if there is one: the machine of that is left as it is, and
   * if it is the same machine, so are its state and what was counted. `past` is what an earlier daemon knew of it.
   * Rejects with {@linkcode RegistryError} or `BackendError` when that cannot be done; all is as it was then.
   */
  put(unikernel: Unikernel, past?: Past): Promise<PutOutcome> {
    const { name } = unikernel;
    return this.#inTurn(name, async () => {
      const old = this.#entries.get(name);
      if (old && isDeepStrictEqual(old.summoned.unikernel, unikernel)) {
        return "unchanged";
      }
      await checkXenstore(unikernel);
      const machine = await this.#machineFor(unikernel, old);
      const { id } = machine;
      if (old && id === old.id) {
        const { summoned } = old;
        this.#withdraw(old);
        summoned.reconfigure(unikernel, machine);
        this.#serve({ summoned, machine, id });
        if (machine !== old.machine) old.machine.release?.();
        return "changed";
      }
      try {
        this.#claim(id, name);
        const summoned = await this.#summoner.add(unikernel, machine, past);
        if (old) this.#withdraw(old);
        this.#serve({ summoned, machine, id });
      } catch (error) {
        if (this.#owners.get(id) === name) this.#owners.delete(id);
        machine.release?.();
        throw error;
      }
      if (old) this.#retire(old);
      return old ? "changed" : "added";
    });
  }

  /**
   * Serves it no longer, and leaves its machine as it is; with `stop`, a reason in words, stops that in its mode first.
   * Queries that wait for it are answered. Returns what it was; rejects with {@linkcode RegistryError} when there is
   * none of that name, and with `BackendError` when it cannot be stopped: it is removed in that case too.
   */
  remove(name: string, stop?: string): Promise<Unikernel> {
    return this.#inTurn(name, async () => {
      const entry = this.#entries.get(name);
      if (entry === undefined) {
        throw new RegistryError(`there is no unikernel ${name}`);
      }
      const { summoned } = entry;
      this.#withdraw(entry);
      this.#entries.delete(name);
      log("jitsu").info(`${name}: removed`);
      this.#retire(entry);
      if (stop !== undefined) await summoned.stop(stop);
      return summoned.unikernel;
    });
  }

  async #machineFor(unikernel: Unikernel, old?: Entry): Promise<Machine> {
    const config = unikernel.machine;
    return old && isDeepStrictEqual(old.summoned.unikernel.machine, config)
      ? old.machine
      : await this.#backend.machine(config);
  }

  /** Two unikernels of one machine would start and stop it against each other, whatever led to it. */
  #claim(id: string, name: string): void {
    const owner = this.#owners.get(id);
    if (owner !== undefined) {
      throw new RegistryError(
        `its machine, ${id}, is that of ${owner} too: give all its names to one of the two`,
      );
    }
    this.#owners.set(id, name);
  }

  /** Puts a unikernel behind its names, and its first name behind its addresses. */
  #serve(entry: Entry): void {
    const { summoned, id } = entry;
    const { name, dns, addresses, ttl, useSynjitsu } = summoned.unikernel;
    this.#entries.set(name, entry);
    this.#owners.set(id, name);
    const { usage } = summoned;
    const host = { addresses, ttl, summonable: summoned, usage };
    this.#zone.add(host, dns.values().map(parseName));
    for (const address of addresses) {
      this.#zone.addPointer(address, parseName(dns[0]), ttl);
    }
    log("jitsu").info(
      `${name}: answers for ${few(dns)} with ${few(addresses)}`,
    );
    if (useSynjitsu && !this.#hasSynjitsu) {
      log("jitsu").warn(
        `${name}: use_synjitsu has no effect without --synjitsu`,
      );
    }
  }

  /** Takes back what {@linkcode Registry.#serve} did to the zone. */
  #withdraw({ summoned, id }: Entry): void {
    const { dns, addresses, ttl } = summoned.unikernel;
    this.#owners.delete(id);
    this.#zone.remove(summoned, dns.values().map(parseName));
    for (const address of addresses) {
      this.#zone.removePointer(address, parseName(dns[0]), ttl);
    }
  }

  /** Lets go of a machine once nobody waits for it, before anything else is done to its name. */
  #retire({ summoned, machine }: Entry): void {
    this.#inTurn(summoned.unikernel.name, async () => {
      await this.#summoner.remove(summoned);
      machine.release?.();
    });
  }

  async #inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#busy.set(name, promise);
    await before;
    try {
      return await work();
    } finally {
      resolve();
      if (this.#busy.get(name) === promise) this.#busy.delete(name);
    }
  }
}

/** Whoever waits for a key in xenstore needs one. */
async function checkXenstore({ readiness }: Unikernel): Promise<void> {
  if (readiness.waitForKey === undefined) return;
  const { Xenstore } = await import("../xen/xenstore.ts");
  try {
    await using _xenstore = await Xenstore.open();
  } catch (error) {
    throw new RegistryError(
      `wait_for_key=${readiness.waitForKey}: ${(error as Error).message}`,
    );
  }
}
