/**
 * A domain on a connection: what is read from it and done to it, in libvirt's calls.
 *
 * Methods reject with LibvirtError.
 *
 * @module
 */
import { XMLParser } from "fast-xml-parser";
import { cString, readCString } from "../../ffi/c_string.ts";
import { holding } from "../../ffi/hold.ts";
import type { MachineState, StartAction } from "../backend.ts";
import type { Connection } from "./connection.ts";
import { LibvirtError, RestoreError, VIR_ERR } from "./errors.ts";
import type { Libvirt } from "./runtime.ts";

/** `virDomainState` (libvirt-domain.h), those that are told apart here. */
const VIR_DOMAIN = {
  PAUSED: 3,
  /** On its way off. */
  SHUTDOWN: 4,
  SHUTOFF: 5,
  CRASHED: 6,
  PMSUSPENDED: 7,
} as const;

/**
 * Why a domain is paused (`virDomainPausedReason`) for a time only, because somebody is at work on it; one that failed
 * half-way between two hosts must not run on either until an administrator has looked.
 */
const PASSING: Record<number, string> = {
  2: "it is being migrated",
  3: "it is being saved",
  4: "its memory is being dumped",
  8: "it is being shut down",
  9: "a snapshot of it is being made",
  11: "it is being started",
  12: "it is being migrated",
  13: "its migration has failed half-way",
};

/** What is done to a domain that is paused for that reason, where it must be left alone until that is over. */
export function passingPause(reason: number): string | undefined {
  return PASSING[reason];
}

/** `VIR_DOMAIN_SHUTOFF_MIGRATED`. */
const SHUTOFF_MIGRATED = 4;
/** `virDomainJobInfo` and those of `virDomainJobType` that say that a job is under way. */
const JOB_INFO_SIZE = 96, JOBS = [1, 2];

const NOT_RUNNING = 0xffffffff; // (unsigned int) -1

const VIR_UUID_STRING_BUFLEN = 37;

/** Milliseconds that a domain may take to go off, and that somebody may be at work on it, before its start gives up. */
const SHUTDOWN_MS = 10_000, PASSING_MS = 60_000;

/** Why a domain cannot be started at this moment, and for how long that is to be borne. */
export interface Busy {
  why: string;
  patienceMs: number;
}

/** What finds a domain: its UUID or, where that is not known, its name. */
export interface DomainKey {
  uuid?: string;
  name: string;
}

export class Domain {
  /** @param pointer a `virDomainPtr` that the caller frees */
  constructor(
    readonly connection: Connection,
    readonly pointer: Deno.PointerObject,
  ) {}

  /** Looks a domain up and lends it to `use`. Rejects with `NO_DOMAIN` when there is none. */
  static async lend<T>(
    connection: Connection,
    { uuid, name }: DomainKey,
    use: (domain: Domain) => T | Promise<T>,
  ): Promise<T> {
    const { libvirt } = connection;
    const key = cString(uuid ?? name);
    const pointer = await connection.call(holding(
      [key],
      uuid === undefined
        ? libvirt.virDomainLookupByName(connection.pointer, key)
        : libvirt.virDomainLookupByUUIDString(connection.pointer, key),
    ));
    try {
      return await use(new Domain(connection, pointer));
    } finally {
      libvirt.virDomainFree(pointer);
    }
  }

  /** The names of all domains, running or not. */
  static async names(connection: Connection): Promise<string[]> {
    const { libvirt } = connection;
    const out = new BigUint64Array(1);
    const count = await connection.call(
      holding(
        [out],
        libvirt.virConnectListAllDomains(connection.pointer, out, 0),
      ),
    );
    const list = Deno.UnsafePointer.create(out[0])!;
    const view = new Deno.UnsafePointerView(list);
    const names = [];
    for (let i = 0; i < count; i++) {
      const domain = new Domain(connection, view.getPointer(i * 8)!);
      names.push(domain.name);
      libvirt.virDomainFree(domain.pointer);
    }
    libvirt.free(list);
    return names;
  }

  get #libvirt(): Libvirt {
    return this.connection.libvirt;
  }

  get name(): string {
    return readCString(this.#libvirt.virDomainGetName(this.pointer)!);
  }

  /** Lower case, with hyphens. */
  get uuid(): string {
    const buffer = new Uint8Array(VIR_UUID_STRING_BUFLEN);
    this.#libvirt.virDomainGetUUIDString(this.pointer, buffer);
    return new TextDecoder().decode(buffer.subarray(0, -1));
  }

  /** The hypervisor's number for it when it was looked up, if it ran then. */
  get id(): number | undefined {
    const id = this.#libvirt.virDomainGetID(this.pointer);
    return id === NOT_RUNNING ? undefined : id;
  }

  async state(): Promise<MachineState> {
    const { state } = await this.#state();
    switch (state) {
      case VIR_DOMAIN.PAUSED:
      case VIR_DOMAIN.PMSUSPENDED:
        return "paused";
      case VIR_DOMAIN.SHUTOFF:
        return await this.#hasManagedSave() ? "suspended" : "off";
      case VIR_DOMAIN.CRASHED:
        return "off";
      default: // running, blocked, being shut down, and Xen's "no state", which is an idle domain
        return "running";
    }
  }

  /**
   * See {@linkcode Machine.start}; does nothing while somebody else is at work on it. Rejects with
   * {@linkcode RestoreError} where it cannot be restored.
   */
  start(): Promise<StartAction | Busy> {
    return this.#orAlready("running", () => this.#start(), "found running");
  }

  async #start(): Promise<StartAction | Busy> {
    const { state, reason } = await this.#state();
    switch (state) {
      case VIR_DOMAIN.PAUSED: {
        const why = passingPause(reason) ??
          (await this.#hasJob() ? "somebody is at work on it" : undefined);
        if (why !== undefined) return { why, patienceMs: PASSING_MS };
        await this.#call(this.#libvirt.virDomainResume(this.pointer));
        return "unpaused";
      }
      case VIR_DOMAIN.PMSUSPENDED:
        await this.#call(this.#libvirt.virDomainPMWakeup(this.pointer, 0));
        return "unpaused";
      case VIR_DOMAIN.SHUTDOWN:
        return { why: "it is being shut down", patienceMs: SHUTDOWN_MS };
      case VIR_DOMAIN.CRASHED:
        // With on_crash=preserve its remains are in the way.
        if (this.id !== undefined) {
          await this.#call(this.#libvirt.virDomainDestroy(this.pointer));
        }
        await this.#call(this.#libvirt.virDomainCreate(this.pointer));
        return "started";
      case VIR_DOMAIN.SHUTOFF:
        if (await this.#hasManagedSave()) return await this.#restore();
        if (reason === SHUTOFF_MIGRATED) {
          throw new LibvirtError(
            "it has been migrated to another host, where it may run; if it is to run here again, start it by hand once",
          );
        }
        await this.#call(this.#libvirt.virDomainCreate(this.pointer));
        return "started";
      default:
        return "found running";
    }
  }

  async #restore(): Promise<StartAction> {
    try {
      await this.#call(this.#libvirt.virDomainCreate(this.pointer));
    } catch (error) {
      throw error instanceof LibvirtError ? new RestoreError(error) : error;
    }
    // One that was saved while paused comes back paused.
    const { state } = await this.#state();
    if (state === VIR_DOMAIN.PAUSED) {
      await this.#call(this.#libvirt.virDomainResume(this.pointer));
    }
    return "resumed";
  }

  /**
   * Takes it down at once, and drops its managed save if it was saved; resolves with whether it did that, of which libvirt
   * tells nobody.
   */
  destroy(): Promise<boolean> {
    return this.#orAlready("off", async () => {
      const { state } = await this.#state();
      const isSaved = state === VIR_DOMAIN.SHUTOFF &&
        await this.#hasManagedSave();
      if (isSaved) {
        await this.#call(
          this.#libvirt.virDomainManagedSaveRemove(this.pointer, 0),
        );
      } else if (state !== VIR_DOMAIN.SHUTOFF) {
        await this.#call(this.#libvirt.virDomainDestroy(this.pointer));
      }
      return isSaved;
    }, false);
  }

  /** Asks it to shut down. */
  shutdown(): Promise<void> {
    return this.#orAlready(
      "off",
      () => this.#call(this.#libvirt.virDomainShutdown(this.pointer)),
      undefined,
    );
  }

  /** Stops its processors and keeps it in memory. */
  suspend(): Promise<void> {
    return this.#orAlready(
      "paused",
      () => this.#call(this.#libvirt.virDomainSuspend(this.pointer)),
      undefined,
    );
  }

  /** Saves it to disk, where {@linkcode start} finds it. */
  save(): Promise<void> {
    return this.#orAlready(
      "suspended",
      () => this.#call(this.#libvirt.virDomainManagedSave(this.pointer, 0)),
      undefined,
    );
  }

  /** In the order of its interfaces, lower case. */
  async macAddresses(): Promise<string[]> {
    const { virDomainGetXMLDesc } = this.#libvirt;
    return macAddresses(
      await this.connection.text(virDomainGetXMLDesc(this.pointer, 0)),
    );
  }

  /** A `virDomainState` and, by a number of its own, the reason for it. */
  async #state(): Promise<{ state: number; reason: number }> {
    const state = new Int32Array(1), reason = new Int32Array(1);
    await this.connection.call(holding(
      [state, reason],
      this.#libvirt.virDomainGetState(this.pointer, state, reason, 0),
    ));
    return { state: state[0], reason: reason[0] };
  }

  /** Whether a save, dump, migration or snapshot is under way. */
  #hasJob(): Promise<boolean> {
    const info = new DataView(new ArrayBuffer(JOB_INFO_SIZE));
    return this.#ifSupported(async () => {
      await this.connection.call(holding(
        [info],
        this.#libvirt.virDomainGetJobInfo(this.pointer, info),
      ));
      return JOBS.includes(info.getInt32(0, true));
    });
  }

  #hasManagedSave(): Promise<boolean> {
    return this.#ifSupported(async () =>
      await this.connection.call(
        this.#libvirt.virDomainHasManagedSaveImage(this.pointer, 0),
      ) === 1
    );
  }

  /** What it answers; no where the driver knows no such thing. */
  async #ifSupported(question: () => Promise<boolean>): Promise<boolean> {
    try {
      return await question();
    } catch (error) {
      if ((error as LibvirtError).code === VIR_ERR.NO_SUPPORT) return false;
      throw error;
    }
  }

  async #call(call: Promise<number>): Promise<void> {
    await this.connection.call(call);
  }

  /**
   * Does the deed. Where it fails but the domain is in the state that was wanted all the same, because it was so before
   * or somebody else was faster, the outcome is `already`.
   */
  async #orAlready<T>(
    wanted: MachineState,
    deed: () => Promise<T>,
    already: T,
  ): Promise<T> {
    try {
      return await deed();
    } catch (error) {
      const state = await this.state().catch(() => undefined);
      if (state === wanted) return already;
      throw error;
    }
  }
}

/** The MAC addresses in a domain's XML (libvirt.org/formatdomain.html). */
export function macAddresses(xml: string): string[] {
  const { domain } = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: "@",
  }).parse(xml);
  return [domain.devices?.interface ?? []].flat()
    .map((each) => each.mac?.["@address"])
    .filter((address) => typeof address === "string")
    .map((address) => address.toLowerCase());
}
