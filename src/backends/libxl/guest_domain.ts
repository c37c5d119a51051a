/**
 * The domain of a guest: what is found of it, and making, saving and removing it. This is what xl(1) does around libxl's
 * calls, and what it takes to be killed at any moment and find everything again.
 *
 * Methods reject with what libxl, xenstore or the system says, or with BackendError.
 *
 * @module
 */
import { writeRumprunConfig } from "../../xen/rumprun.ts";
import type { Xenstore } from "../../xen/xenstore.ts";
import { BackendError } from "../backend.ts";
import type { Context } from "./context.ts";
import type { Contexts } from "./contexts.ts";
import { type Actions, domainConfig } from "./domain_config.ts";
import {
  configurationOf,
  createDomain,
  destroyDomain,
  type DomainConfig,
  type DomainInfo,
  domainInfo,
  domidOf,
  isGone,
  pressPowerButton,
  restoreDomain,
  resumeDomain,
  saveDomain,
  unpauseDomain,
} from "./domains.ts";
import { LibxlError } from "./errors.ts";
import type { Guest } from "./guest.ts";
import { hostPart } from "./host_part.ts";
import type { HostMemory } from "./memory.ts";
import { Marks } from "./marks.ts";
import { SaveFile } from "./save_file.ts";
import { FAST_SCRIPT_PATH, installFastScript } from "./vif_script.ts";

const homeOf = (domid: number) => `/local/domain/${domid}`;

/** What xl(1) calls a domain while it migrates it: the one that comes, and the one that has gone. */
const MIGRATING = /--(incoming|migratedaway)$/;

/**
 * What a domain is good for.
 *
 * - `running`, `paused`: as Xen has it
 * - `halted`: suspended by a Jitsu that was killed while it saved it; it is still in memory
 * - `foreign`: somebody else makes, saves or migrates it at this moment
 * - `over`: it has shut down or crashed, is saved, or was made or destroyed only partly; all there is to do is to remove it
 */
export type Condition = "running" | "paused" | "halted" | "foreign" | "over";

/** Why a domain is left alone that somebody else is at work on, and how it is got rid of where he has failed. */
export function whyForeign({ domid, shutdown }: DomainInfo): string {
  const what = shutdown
    ? "suspended by somebody else, as xl save and xl migrate do"
    : "being made, restored or received by somebody else";
  return `domain ${domid} is ${what}, and is left alone until that is over; if nobody is at work on it any more, remove it with "xl destroy ${domid}"`;
}

/** What all guests of this host share. */
export interface Host {
  readonly contexts: Contexts;
  readonly xenstore: Xenstore;
  readonly memory: HostMemory;
}

export class GuestDomain {
  readonly saveFile: SaveFile;
  readonly config: DomainConfig & Actions;
  readonly marks: Marks;
  /** The domain that was found last. */
  #last?: DomainInfo;

  /** @throws {BackendError} where the guest's description contradicts itself */
  constructor(readonly guest: Guest, readonly host: Host) {
    this.config = domainConfig(guest);
    this.marks = new Marks(host.xenstore);
    this.saveFile = new SaveFile(guest.saveDir, guest.name);
  }

  /**
   * The domain as it is now, if there is one: the one with the guest's UUID, whatever somebody calls it meanwhile, or
   * else the one with its name. Rejects where that cannot be the guest.
   */
  async find(context: Context): Promise<DomainInfo | undefined> {
    if (this.#last !== undefined) {
      const info = await domainInfo(context, this.#last.domid);
      if (info && info.uuid === this.#last.uuid && !info.dying) return info;
      this.#last = undefined;
    }
    const info = await this.#lookUp(context);
    const part = info && await hostPart(this.host.xenstore, info);
    if (part !== undefined) {
      throw new BackendError(
        `domain ${
          info!.domid
        } is ${part}, a part of this host that Jitsu neither starts nor stops: give the name or uuid of a guest`,
      );
    }
    return this.#last = info;
  }

  async #lookUp(context: Context): Promise<DomainInfo | undefined> {
    const { name, uuid, uuidGiven } = this.guest;
    const domid = await domidOf(context, name);
    const info = domid === undefined
      ? undefined
      : await domainInfo(context, domid);
    if (info?.uuid === uuid) return info;
    const renamed = await this.#withUuid(context);
    if (renamed !== undefined) return renamed;
    if (info !== undefined && uuidGiven) {
      throw new BackendError(
        `domain ${domid} has that name, but its UUID is ${info.uuid} and not ${uuid}: change uuid or name, or remove it with "xl destroy ${domid}"`,
      );
    }
    return info;
  }

  /** The domain with the guest's UUID and another name. While xl(1) migrates it to this same host there are two. */
  async #withUuid(context: Context): Promise<DomainInfo | undefined> {
    const vm = `/vm/${this.guest.uuid}`;
    if ((await this.host.xenstore.list(vm)).length === 0) return undefined;
    let migrating: DomainInfo | undefined;
    for (const id of await this.host.xenstore.list("/local/domain")) {
      const domid = Number(id);
      if (await this.host.xenstore.read(`${homeOf(domid)}/vm`) !== vm) continue;
      const info = await domainInfo(context, domid);
      if (info?.uuid !== this.guest.uuid || info.dying) continue;
      if (!await this.#isMigrating(domid)) return info;
      migrating = info;
    }
    return migrating;
  }

  async #isMigrating(domid: number): Promise<boolean> {
    const name = await this.host.xenstore.read(`${homeOf(domid)}/name`) ?? "";
    return name !== this.guest.name && MIGRATING.test(name);
  }

  async condition(context: Context, info: DomainInfo): Promise<Condition> {
    const { domid } = info;
    if (info.dying) return "over";
    if (!info.shutdown && !info.paused) return "running";
    if (await this.#isMigrating(domid)) return "foreign";
    if (info.shutdown) {
      if (info.shutdown_reason !== "suspend") return "over";
      // What others suspend they save, migrate or resume.
      if (await this.marks.saver(domid) !== "gone") return "foreign";
      return await this.saveFile.exists() ? "over" : "halted";
    }
    const progress = await this.marks.progress(domid);
    if (progress === "created") return "paused";
    if (progress === "destroying") return "over";
    if (progress?.creating === "gone") return "over";
    return progress?.creating === "other" ||
        !await this.#isConfigured(context, domid)
      ? "foreign"
      : "paused";
  }

  /** Whether libxl has its configuration, which it gets when it is wholly made or restored. */
  async #isConfigured(context: Context, domid: number): Promise<boolean> {
    try {
      return await configurationOf(context, domid) !== undefined;
    } catch (error) {
      if (error instanceof LibxlError) return false;
      throw error;
    }
  }

  /** Whether Jitsu made it, so that nobody else looks after it when it has shut down. */
  isOurs({ domid }: DomainInfo): Promise<boolean> {
    return this.marks.isOurs(domid);
  }

  /** Makes it, and lets it run. */
  async create(context: Context): Promise<void> {
    await installScript(this.config);
    await this.marks.creating(this.config, async (config) => {
      const domid = await this.host.memory.during(
        context,
        config,
        () => createDomain(context, config, this.guest.scriptTimeout),
      );
      try {
        const { rumprunConfig } = this.guest;
        if (rumprunConfig !== undefined) {
          await writeRumprunConfig(this.host.xenstore, domid, rumprunConfig);
        }
        await this.#finish(domid, config);
        await unpauseDomain(context, domid);
      } catch (error) {
        await destroyDomain(context, domid, this.guest.scriptTimeout);
        throw error;
      }
    });
  }

  /** Makes it from its save file, which is then removed, and lets it run. */
  async restore(context: Context): Promise<void> {
    let domid: number;
    try {
      domid = await this.#restore(context);
    } catch (error) {
      const { path } = this.saveFile;
      const damage = await this.saveFile.damage();
      throw new BackendError(
        `it could not be restored from ${path}: ${(error as Error).message}; ${
          damage === undefined
            ? "the file is whole and is kept, the next start tries it again"
            : `the file is damaged (${damage}): "jitsu stop ${this.guest.name} --mode destroy" removes it, and the next start boots afresh`
        }`,
      );
    }
    await unpauseDomain(context, domid);
  }

  #restore(context: Context): Promise<number> {
    return this.saveFile.read(async (saved, fd) => {
      await installScript(saved);
      return await this.marks.creating(saved, async (config) => {
        const domid = await this.host.memory.during(
          context,
          config,
          () => restoreDomain(context, config, fd, this.guest.scriptTimeout),
        );
        try {
          await this.#finish(domid, config);
          // From here on the file is of the past.
          await this.saveFile.remove();
        } catch (error) {
          await destroyDomain(context, domid, this.guest.scriptTimeout);
          throw error;
        }
        return domid;
      });
    });
  }

  /** Saves it to its save file and removes it. Where this rejects, the error says whether it runs on. */
  async save(context: Context, info: DomainInfo): Promise<void> {
    const config = await configurationOf(context, info.domid);
    if (config === undefined) {
      throw new BackendError("libxl has no configuration of it to save");
    }
    // Otherwise it could be restored only as long as nobody else had its number.
    delete config.c_info?.domid;
    await this.marks.saving(info.domid);
    try {
      await this.saveFile.write(
        config,
        (fd) => saveDomain(context, info.domid, fd),
      );
    } catch (error) {
      const why = `it is not saved: ${(error as Error).message}`;
      try {
        await this.goOn(context, info);
      } catch (again) {
        throw new BackendError(
          `${why}; and it could not go on: ${(again as Error).message}`,
        );
      }
      throw new BackendError(`${why}; it runs on`);
    }
    await this.remove(context, info);
  }

  /**
   * Asks the guest to power itself off (docs/misc/xenstore-paths.pandoc, ~/control/shutdown), and by its power button
   * where it has one and does not say that it listens to the other (~/control/feature-poweroff). libxl_domain_shutdown
   * would wait a minute for the guest to take note, and fail where it does not: many unikernels never do.
   */
  async shutdown(context: Context, { domid }: DomainInfo): Promise<void> {
    const control = `${homeOf(domid)}/control`;
    await this.host.xenstore.write(`${control}/shutdown`, "poweroff");
    if (this.guest.type !== "hvm") return;
    if (await this.host.xenstore.read(`${control}/feature-poweroff`) === "1") {
      return;
    }
    await pressPowerButton(context, domid);
  }

  /** Removes it, whatever state it is in. */
  async remove(context: Context, info: DomainInfo): Promise<void> {
    const { domid } = info;
    await this.marks.destroying(domid);
    try {
      await destroyDomain(context, domid, this.guest.scriptTimeout);
    } catch (error) {
      const still = await domainInfo(context, domid);
      if (still !== undefined && !still.dying && !isGone(error)) throw error;
      await this.marks.tidy(domid); // somebody else was faster
    }
  }

  /** Lets it run on after an attempt to save it, our own or that of a Jitsu that was killed. */
  async goOn(context: Context, { domid }: DomainInfo): Promise<void> {
    const info = await domainInfo(context, domid);
    if (info?.shutdown && info.shutdown_reason === "suspend") {
      await resumeDomain(context, domid);
    }
    await this.marks.notSaving(domid);
  }

  /** What is left to be done when libxl has made it. */
  async #finish(domid: number, { nics = [] }: DomainConfig): Promise<void> {
    for (const [i, { devid = i, script }] of nics.entries()) {
      if (script !== FAST_SCRIPT_PATH) continue; // others do this themselves, see vif_script.ts
      await this.host.xenstore.write(
        `${homeOf(0)}/backend/vif/${domid}/${devid}/hotplug-status`,
        "connected",
      );
    }
    await this.marks.created(domid);
  }
}

/** Puts the script where the configuration has it, if it is Jitsu's own. */
async function installScript({ nics = [] }: DomainConfig): Promise<void> {
  if (nics.some(({ script }) => script === FAST_SCRIPT_PATH)) {
    await installFastScript();
  }
}
