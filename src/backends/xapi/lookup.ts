/**
 * Finding VMs and hosts of a pool by the names and UUIDs that people know them by.
 *
 * @module
 */
import { closest, distance } from "fastest-levenshtein";
import { log } from "../../log.ts";
import { BackendError, type MachineConfig } from "../backend.ts";
import { isXapiError, NoSuchVm } from "./errors.ts";
import { isUuid, readNames, readVm, text, texts } from "./records.ts";
import type { Session } from "./session.ts";

/** VMs of a pool whose names are looked through for the one that was meant: they come with their whole records. */
const MAX_NAMES = 500;
/** What is no template, as snapshots are, and no control domain (XAPI's "Filter" language). */
const REAL_VMS =
  'field "is_a_template"="false" and field "is_control_domain"="false"';
const LIST = "`xe vm-list` shows those it has";

export class Lookup {
  readonly #session: Session;
  #names?: Promise<string[]>;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The reference of a VM by its UUID, or by its name where it has none. Rejects with BackendError. */
  async vm(
    { name, uuid }: Pick<MachineConfig, "name" | "uuid">,
  ): Promise<string> {
    if (uuid !== undefined) {
      try {
        const ref = await this.#session.call("VM.get_by_uuid", uuid);
        return text(ref, "VM.get_by_uuid");
      } catch (error) {
        if (!isXapiError(error, "UUID_INVALID")) throw error;
        throw new NoSuchVm(`${error.message}; ${LIST}`);
      }
    }
    const refs = await this.#refs("VM.get_by_name_label", name);
    if (refs.length === 1) return refs[0];
    const called = `called ${JSON.stringify(name)}`;
    // Templates and snapshots may have the name as well.
    const vms = (await Promise.all(refs.map(async (ref) => ({
      ref,
      ...readVm(await this.#session.call("VM.get_record", ref)),
    })))).filter(({ instead }) => instead === undefined);
    switch (vms.length) {
      case 0:
        throw new NoSuchVm(
          `the pool has no VM ${called}${
            nearest(name, await this.#vmNames())
          }; ${LIST}`,
        );
      case 1:
        return vms[0].ref;
    }
    const choices = vms.map((vm) => `uuid=${vm.uuid} (${vm.powerState})`);
    throw new BackendError(
      `the pool has ${vms.length} VMs ${called}, say which one it is instead: ${
        choices.join(" or ")
      }`,
    );
  }

  /** The UUID of a host by that or by its name. Rejects with BackendError. */
  async host(id: string): Promise<string> {
    if (isUuid(id)) {
      await this.#session.call("host.get_by_uuid", id);
      return id;
    }
    const refs = await this.#refs("host.get_by_name_label", id);
    if (refs.length === 1) {
      return text(
        await this.#session.call("host.get_uuid", refs[0]),
        "host.uuid",
      );
    }
    if (refs.length > 1) {
      throw new BackendError(
        `the pool has ${refs.length} hosts called ${
          JSON.stringify(id)
        }: give the UUID of the one (\`xe host-list\`)`,
      );
    }
    const all = await this.#refs("host.get_all");
    const names = await Promise.all(
      all.map(async (ref) =>
        text(await this.#session.call("host.get_name_label", ref), "host.name")
      ),
    );
    throw new BackendError(
      `the pool has no host called ${JSON.stringify(id)}: it has ${
        names.join(", ")
      }`,
    );
  }

  async #refs(method: string, ...params: string[]): Promise<string[]> {
    return texts(await this.#session.call(method, ...params), method);
  }

  /** The names of the pool's VMs, or none where they are too many or cannot be read: they only make an error clearer. */
  #vmNames(): Promise<string[]> {
    return this.#names ??= (async () => {
      const refs = texts(await this.#session.call("VM.get_all"), "VM.get_all");
      return refs.length > MAX_NAMES ? [] : readNames(
        await this.#session.call("VM.get_all_records_where", REAL_VMS),
      );
    })().catch((error) => {
      if (!(error instanceof BackendError)) throw error;
      log("backend").debug(`names of VMs are not known: ${error.message}`);
      return [];
    }).finally(() => this.#names = undefined);
  }
}

/** A name that may have been meant, as a remark. */
function nearest(name: string, names: string[]): string {
  const best = names.length > 0 ? closest(name, names) : "";
  return distance(name, best) <= name.length / 2
    ? ` (did you mean ${JSON.stringify(best)}?)`
    : "";
}
