/**
 * The libxl backend: guests whose domains Jitsu makes itself, and what xenstored tells of the domains of this host.
 *
 * @module
 */
import { log } from "../../log.ts";
import { XenstoreError } from "../../xen/libxenstore.ts";
import { type Unwatch, watch } from "../../xen/watches.ts";
import { Xenstore } from "../../xen/xenstore.ts";
import {
  type Backend,
  BackendError,
  type Machine,
  type MachineConfig,
} from "../backend.ts";
import { Contexts } from "./contexts.ts";
import type { LibxlKeys } from "./description.ts";
import { readGuest } from "./guest.ts";
import type { Host } from "./guest_domain.ts";
import { hurryScripts } from "./hotplug_scripts.ts";
import { LibxlMachine } from "./machine.ts";
import { HostMemory } from "./memory.ts";

/** Resolves when Xen's domains can be worked with. Rejects with {@linkcode BackendError}. */
export async function openLibxl(): Promise<Backend> {
  const contexts = new Contexts();
  let xenstore: Xenstore | undefined;
  try {
    await contexts.use(() => Promise.resolve()); // opens the first, which says whether it can be done
    xenstore = await Xenstore.open();
    const backend = new LibxlBackend(contexts, xenstore);
    await backend.watch();
    return backend;
  } catch (error) {
    await xenstore?.[Symbol.asyncDispose]();
    await contexts.close();
    if (error instanceof XenstoreError) throw new BackendError(error.message);
    throw error;
  }
}

/**
 * Milliseconds that a hotplug script may take once this closes. One that hangs is so the end of the domain that is being
 * made, twice: when it is to connect a device, and when it is to take it away.
 */
const CLOSE_SCRIPT_TIMEOUT = 500;

class LibxlBackend implements Backend<LibxlKeys>, Host {
  readonly #machines = new Map<string, LibxlMachine>();
  readonly #unwatch: Unwatch[] = [];
  /** The ids of the domains whose names have been looked at. */
  #known = new Set<string>();
  readonly memory = new HostMemory();
  #closed = false;

  constructor(readonly contexts: Contexts, readonly xenstore: Xenstore) {}

  async machine(config: MachineConfig<LibxlKeys>): Promise<Machine> {
    const guest = await readGuest(config);
    const { name } = guest;
    const known = this.#machines.get(name);
    if (known?.id === guest.uuid) {
      await known.configure(guest);
      return known;
    }
    await known?.idle(); // or what it is just making would be taken for what somebody has left
    const machine = new LibxlMachine(guest, this);
    await machine.adopt();
    machine.release = () => {
      if (this.#machines.get(name) === machine) this.#machines.delete(name);
      machine.close();
    };
    this.#machines.set(name, machine);
    return machine;
  }

  /** Hears of domains that come, shut down and go. */
  async watch(): Promise<void> {
    this.#unwatch.push(
      await watch("@introduceDomain", {
        onEvent: () => this.#onIntroduced(),
        onLost: (error) => this.#onLost(error),
      }),
      await watch("@releaseDomain", {
        onEvent: () => this.#onReleased(),
        onLost: () => {}, // told by the other
      }),
    );
  }

  #onReleased(): void {
    for (const machine of this.#machines.values()) {
      if (machine.isThere) machine.look();
    }
  }

  /** Looks at the machines that new domains are named like. */
  async #onIntroduced(): Promise<void> {
    try {
      const ids = await this.xenstore.list("/local/domain");
      const fresh = ids.filter((id) => !this.#known.has(id));
      this.#known = new Set(ids);
      for (const id of fresh) {
        const name = await this.xenstore.read(`/local/domain/${id}/name`);
        // While xl(1) migrates it to here, it has this at its end.
        this.#machines.get(name?.replace(/--incoming$/, "") ?? "")?.look();
      }
    } catch (error) {
      if (!this.#closed) log("backend").warn((error as Error).message);
    }
  }

  #onLost({ message }: XenstoreError): void {
    if (this.#closed) return;
    // xenstored does not come back: what it knew of the domains is gone with it.
    log("backend").error(
      `${message}: this host has to be restarted, its domains cannot be managed any more`,
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    using _ = hurryScripts(CLOSE_SCRIPT_TIMEOUT);
    await Promise.all(this.#unwatch.map((unwatch) => unwatch()));
    await Promise.all([...this.#machines.values()].map((each) => each.close()));
    await this.contexts.close();
    await this.xenstore[Symbol.asyncDispose]();
  }
}
