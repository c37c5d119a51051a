/**
 * Memory for domains that are to be made. Where dom0 has been given all of the host's at boot, which is what Xen does
 * unless it is told `dom0_mem=`, it has to give some back, as xl(1) has it do (its freemem, tools/xl/xl_vmcontrol.c).
 *
 * Methods reject with BackendError and LibxlError.
 *
 * @module
 */
import { log } from "../../log.ts";
import { BackendError } from "../backend.ts";
import type { Context } from "./context.ts";
import type { DomainConfig } from "./domains.ts";
import { LibxlError } from "./errors.ts";
import {
  dom0Memory,
  freeMemory,
  neededMemory,
  shrinkDom0,
  versionInfo,
} from "./host.ts";

/** The configuration of xl(1), xl.conf(5). */
const XL_CONF = "/etc/xen/xl.conf";

/** The first Xen 4 whose libxl_domain_need_memory takes what ours is given. */
const FIRST_MINOR = 13;

/** Seconds that dom0 may take in all, and without making progress. As xl. */
const PATIENCE = 30, PROGRESS_PATIENCE = 10;

/**
 * Whether dom0 is to give memory back (`autoballoon`, xl.conf(5)): as it is said there or, if nothing is or `auto`, where
 * Xen's command line does not say what dom0 has.
 */
export function autoballoons(xlConf: string, xenCommandLine: string): boolean {
  const [, said] =
    /^\s*autoballoon\s*=\s*["']?(\w+)["']?\s*(?:#.*)?$/m.exec(xlConf) ?? [];
  if (said === "on" || said === "1") return true;
  if (said === "off" || said === "0") return false;
  return !hasDom0Memory(xenCommandLine);
}

/** Whether Xen's command line says how much memory dom0 has, as xl reads it. */
export function hasDom0Memory(xenCommandLine: string): boolean {
  return /(^| )dom0_mem=((|min:|max:)[0-9]+[bkmg]?,?)+($| )/i.test(
    xenCommandLine,
  );
}

const mib = (kib: number) => `${Math.ceil(kib / 1024)} MiB`;

export class HostMemory {
  /** KiB for domains that are just being made. They may have theirs already: this is the most that can be missing. */
  #promised = 0;
  /** The end of what is under way to make room; never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * Calls `make`, which makes a domain with that configuration, after making room for it. Where that fails for want of
   * memory, the error says how much is missing and what can be done.
   */
  async during<T>(
    context: Context,
    config: DomainConfig,
    make: () => Promise<T>,
  ): Promise<T> {
    const { commandline = "", xen_version_minor: minor = 0 } =
      await versionInfo(context);
    if (minor < FIRST_MINOR) return await make();
    const needed = await neededMemory(context, config);
    const balloons = autoballoons(await readXlConf(), commandline);
    if (balloons) {
      const room = this.#turn.then(() => this.#makeRoom(context, needed));
      this.#turn = room.catch(() => {});
      await room;
    }
    this.#promised += needed;
    try {
      return await make();
    } catch (error) {
      if (!(error instanceof LibxlError)) throw error;
      const free = await freeMemory(context);
      if (free >= needed) throw error;
      throw new BackendError(
        `${error.message}; ${await shortage(context, needed, free)}${
          balloons ? "" : `, since ${XL_CONF} or dom0_mem= says so`
        }: ${REMEDY}`,
      );
    } finally {
      this.#promised -= needed;
    }
  }

  async #makeRoom(context: Context, needed: number): Promise<void> {
    const giveUp = performance.now() + 1000 * PATIENCE;
    for (;;) {
      const free = await freeMemory(context) - this.#promised;
      if (free >= needed) return;
      try {
        if (performance.now() > giveUp) {
          throw new BackendError(`dom0 has not done so after ${PATIENCE} s`);
        }
        log("backend").info(`dom0 is to give back ${mib(needed - free)}`);
        await shrinkDom0(context, needed - free, PROGRESS_PATIENCE);
      } catch (error) {
        throw new BackendError(
          `${await shortage(context, needed, free)} (${
            (error as Error).message
          }): ${REMEDY}`,
        );
      }
    }
  }
}

const REMEDY = "stop other domains, or give this one less memory";

async function shortage(
  context: Context,
  needed: number,
  free: number,
): Promise<string> {
  return `it needs ${mib(needed)} of memory, Xen has ${
    mib(Math.max(0, free))
  } free, and dom0, which has ${
    mib(await dom0Memory(context))
  }, gives no more back`;
}

async function readXlConf(): Promise<string> {
  try {
    return await Deno.readTextFile(XL_CONF);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
