/**
 * What Jitsu notes in xenstore of the domains that it makes and saves, to be killed at any moment and to know afterwards
 * what is its own work, half done, and what is somebody else's. Guests cannot write any of it.
 *
 * In `/local/domain/ID/`:
 * - `jitsu`: `creating NONCE`, `created` or `destroying`. The first is part of the domain's configuration, so that no
 *   moment is without it; for that reason it is also what a domain has that xl(1) saved and restored.
 * - `jitsu-saving`: who saves it at this moment
 * - `jitsu-use`: the summoner's mark, see MarkPlace of backend.ts
 *
 * `/tool/jitsu/creating/NONCE` says who makes the domain with that mark. It is there only meanwhile: a domain with the
 * mark and without it has been restored by somebody else.
 *
 * Methods reject with XenstoreError.
 *
 * @module
 */
import { readStat } from "../../procfs.ts";
import type { Xenstore } from "../../xen/xenstore.ts";
import type { DomainConfig } from "./domains.ts";

const MARK = "jitsu", SAVING = "jitsu-saving", USE = "jitsu-use";
const KEYS = [MARK, SAVING, USE];
const CREATING = "creating ", CREATED = "created", DESTROYING = "destroying";

const homeOf = (domid: number) => `/local/domain/${domid}`;
const makerOf = (nonce: string) => `/tool/jitsu/creating/${nonce}`;

/** A process: its pid and its start time, which together name no other until the host is booted anew. */
const processName = (pid: number) => `${pid} ${readStat(pid)?.startTime}`;

/** Whether a process with that name, other than this one, lives. */
function isOther(name: string): boolean {
  const pid = Number(name.split(" ")[0]);
  return pid !== Deno.pid && processName(pid) === name;
}

/** Who is at work on a domain: nobody, a Jitsu that is no more (or this one, which does one thing at a time), or another. */
export type Worker = "nobody" | "gone" | "other";

const workerOf = (name: string | undefined): Worker =>
  name === undefined ? "nobody" : isOther(name) ? "other" : "gone";

/** How far a domain is that Jitsu made. */
export type Progress = "created" | "destroying" | { creating: Worker };

export class Marks {
  constructor(readonly xenstore: Xenstore) {}

  /** How far the domain is, or undefined where Jitsu has not made it. */
  async progress(domid: number): Promise<Progress | undefined> {
    const mark = await this.xenstore.read(`${homeOf(domid)}/${MARK}`);
    if (mark === CREATED || mark === DESTROYING) return mark;
    if (!mark?.startsWith(CREATING)) return undefined;
    const maker = await this.xenstore.read(
      makerOf(mark.slice(CREATING.length)),
    );
    return { creating: workerOf(maker) };
  }

  /** Whether Jitsu made it. */
  async isOurs(domid: number): Promise<boolean> {
    return await this.xenstore.read(`${homeOf(domid)}/${MARK}`) !== undefined;
  }

  /** Lends `make` the configuration for making a domain, with the mark that it is being made. */
  async creating<T>(
    config: DomainConfig,
    make: (marked: DomainConfig) => Promise<T>,
  ): Promise<T> {
    const nonce = crypto.randomUUID();
    const { c_info } = config;
    const xsdata = { ...c_info?.xsdata, [MARK]: CREATING + nonce };
    await this.xenstore.write(makerOf(nonce), processName(Deno.pid));
    try {
      return await make({ ...config, c_info: { ...c_info, xsdata } });
    } finally {
      await this.xenstore.remove(makerOf(nonce));
    }
  }

  async created(domid: number): Promise<void> {
    await this.xenstore.write(`${homeOf(domid)}/${MARK}`, CREATED);
  }

  async destroying(domid: number): Promise<void> {
    const path = `${homeOf(domid)}/${MARK}`;
    const mark = await this.xenstore.read(path);
    await this.xenstore.write(path, DESTROYING);
    if (mark?.startsWith(CREATING)) {
      await this.xenstore.remove(makerOf(mark.slice(CREATING.length)));
    }
  }

  /** Who saves it. */
  async saver(domid: number): Promise<Worker> {
    return workerOf(await this.xenstore.read(`${homeOf(domid)}/${SAVING}`));
  }

  async saving(domid: number): Promise<void> {
    const path = `${homeOf(domid)}/${SAVING}`;
    await this.xenstore.write(path, processName(Deno.pid));
  }

  /** It is not being saved any more, and goes on. */
  async notSaving(domid: number): Promise<void> {
    await this.xenstore.remove(`${homeOf(domid)}/${SAVING}`);
    await this.tidy(domid);
  }

  /** The summoner's mark on it, if there is one. */
  async use(domid: number): Promise<string | undefined> {
    return await this.xenstore.read(`${homeOf(domid)}/${USE}`);
  }

  async setUse(domid: number, mark: string): Promise<void> {
    await this.xenstore.write(`${homeOf(domid)}/${USE}`, mark);
    await this.tidy(domid); // it may have gone meanwhile
  }

  /** Removes what is left of a domain that is gone: what was noted of it too late. */
  async tidy(domid: number): Promise<void> {
    const keys = await this.xenstore.list(homeOf(domid));
    if (keys.every((key) => KEYS.includes(key))) {
      await this.xenstore.remove(homeOf(domid));
    }
  }
}
