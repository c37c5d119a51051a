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
import type { Guest } from "./guest.ts";
import { SaveFile } from "./save_file.ts";
import { FAST_SCRIPT_PATH, installFastScript } from "./vif_script.ts";

/**
 * The key in a domain's `/local/domain/ID/`, which the guest cannot write to, that says that Jitsu made it and how far
 * that got. A domain that is only partly made or partly destroyed is of no use to anybody.
 */
const MARK = "jitsu";
const CREATING = "creating", CREATED = "created", DESTROYING = "destroying";

const homeOf = (domid: number) => `/local/domain/${domid}`;

/**
 * What a domain is good for.
 *
 * - `running`, `paused`: as Xen has it
 * - `halted`: suspended but still in memory, not saved
 * - `unfinished`: somebody else is making it
 * - `over`: it has shut down or crashed, is saved, or was made or destroyed only partly; all there is to do is to remove it
 */
export type Condition = "running" | "paused" | "halted" | "unfinished" | "over";

export class GuestDomain {
  readonly saveFile: SaveFile;
  readonly config: DomainConfig & Actions;
  /** The domain that was found last. */
  #last?: DomainInfo;

  /** @throws {BackendError} where the guest's description contradicts itself */
  constructor(readonly guest: Guest, readonly xenstore: Xenstore) {
    this.config = domainConfig(guest);
    this.saveFile = new SaveFile(guest.saveDir, guest.name);
  }

  /** The domain as it is now, if there is one. */
  async find(context: Context): Promise<DomainInfo | undefined> {
    if (this.#last !== undefined) {
      const info = await domainInfo(context, this.#last.domid);
      if (info && info.uuid === this.#last.uuid && !info.dying) return info;
      this.#last = undefined;
    }
    const { name, uuid, uuidGiven } = this.guest;
    const domid = await domidOf(context, name);
    const info = domid === undefined
      ? undefined
      : await domainInfo(context, domid);
    if (info !== undefined && uuidGiven && info.uuid !== uuid) {
      throw new BackendError(
        `domain ${domid} has that name, but its UUID is ${info.uuid} and not ${uuid}: change uuid or name, or remove it with "xl destroy ${domid}"`,
      );
    }
    return this.#last = info;
  }

  async condition(context: Context, info: DomainInfo): Promise<Condition> {
    if (info.dying) return "over";
    if (info.shutdown) {
      return info.shutdown_reason === "suspend" &&
          !await this.saveFile.exists()
        ? "halted"
        : "over";
    }
    if (!info.paused) return "running";
    const mark = await this.#mark(info);
    if (mark !== undefined) return mark === CREATED ? "paused" : "over";
    return await configurationOf(context, info.domid) === undefined
      ? "unfinished"
      : "paused";
  }

  /** Whether Jitsu made it, so that nobody else looks after it when it has shut down. */
  async isOurs(info: DomainInfo): Promise<boolean> {
    return await this.#mark(info) !== undefined;
  }

  /** Makes it, and lets it run. */
  async create(context: Context): Promise<void> {
    const config = await this.#marked(this.config);
    const domid = await createDomain(context, config);
    try {
      const { rumprunConfig } = this.guest;
      if (rumprunConfig !== undefined) {
        await writeRumprunConfig(this.xenstore, domid, rumprunConfig);
      }
      await this.#finish(domid, config);
      await unpauseDomain(context, domid);
    } catch (error) {
      await destroyDomain(context, domid);
      throw error;
    }
  }

  /** Makes it from its save file, which is then removed, and lets it run. */
  async restore(context: Context): Promise<void> {
    const domid = await this.saveFile.read(async (saved, fd) => {
      const config = await this.#marked(saved);
      const domid = await restoreDomain(context, config, fd);
      try {
        await this.#finish(domid, config);
        // From here on the file is of the past.
        await this.saveFile.remove();
      } catch (error) {
        await destroyDomain(context, domid);
        throw error;
      }
      return domid;
    });
    await unpauseDomain(context, domid);
  }

  /** Saves it to its save file and removes it. Where this rejects, the error says whether it runs on. */
  async save(context: Context, info: DomainInfo): Promise<void> {
    const config = await configurationOf(context, info.domid);
    if (config === undefined) {
      throw new BackendError("libxl has no configuration of it to save");
    }
    // Otherwise it could be restored only as long as nobody else had its number.
    delete config.c_info?.domid;
    try {
      await this.saveFile.write(
        config,
        (fd) => saveDomain(context, info.domid, fd),
      );
    } catch (error) {
      const why = `it is not saved: ${(error as Error).message}`;
      try {
        await this.#goOn(context, info);
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
    await this.xenstore.write(`${control}/shutdown`, "poweroff");
    if (this.guest.type !== "hvm") return;
    if (await this.xenstore.read(`${control}/feature-poweroff`) === "1") return;
    await pressPowerButton(context, domid);
  }

  /** Removes it, whatever state it is in. */
  async remove(context: Context, info: DomainInfo): Promise<void> {
    const { domid } = info;
    await this.xenstore.write(`${homeOf(domid)}/${MARK}`, DESTROYING);
    try {
      await destroyDomain(context, domid);
    } catch (error) {
      const still = await domainInfo(context, domid);
      if (still !== undefined && !still.dying && !isGone(error)) throw error;
      // Somebody else was faster. If it was gone before it got the mark, that is what is there of it.
      if (
        (await this.xenstore.list(homeOf(domid))).every((key) => key === MARK)
      ) {
        await this.xenstore.remove(homeOf(domid));
      }
    }
  }

  /** Lets it run on after an attempt to save it. */
  async #goOn(context: Context, { domid }: DomainInfo): Promise<void> {
    const info = await domainInfo(context, domid);
    if (!info?.shutdown || info.shutdown_reason !== "suspend") return;
    await resumeDomain(context, domid);
  }

  /** The configuration for making it, with the mark that it is being made. */
  async #marked(config: DomainConfig): Promise<DomainConfig> {
    if (config.nics?.some(({ script }) => script === FAST_SCRIPT_PATH)) {
      await installFastScript();
    }
    const { c_info } = config;
    return {
      ...config,
      c_info: { ...c_info, xsdata: { ...c_info?.xsdata, [MARK]: CREATING } },
    };
  }

  /** What is left to be done when libxl has made it. */
  async #finish(domid: number, { nics = [] }: DomainConfig): Promise<void> {
    for (const [i, { devid = i, script }] of nics.entries()) {
      if (script !== FAST_SCRIPT_PATH) continue; // others do this themselves, see vif_script.ts
      await this.xenstore.write(
        `${homeOf(0)}/backend/vif/${domid}/${devid}/hotplug-status`,
        "connected",
      );
    }
    await this.xenstore.write(`${homeOf(domid)}/${MARK}`, CREATED);
  }

  async #mark({ domid }: DomainInfo): Promise<string | undefined> {
    return await this.xenstore.read(`${homeOf(domid)}/${MARK}`);
  }
}
