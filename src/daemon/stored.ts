/**
 * The unikernels to serve: those that the store has from before, replaced and joined by those of the command line and the
 * configuration file.
 *
 * @module
 */
import { log } from "../log.ts";
import type { ReadSpec } from "./options.ts";
import type { Unikernel } from "../summon/unikernel.ts";
import {
  operatorChange,
  type Statistics,
  type Store,
  StoreError,
} from "../store/store.ts";

/** What there is to serve, and what the store knows of it. */
export interface Served {
  unikernel: Unikernel;
  statistics?: Statistics;
}

/** What the command line and the configuration file say. */
export interface Given {
  unikernels: readonly Unikernel[];
  /** The path of the configuration file: what the store has from one is gone where this one has it no longer. */
  config?: string;
  /** The name of the backend. */
  backend: string;
}

/**
 * All that is to be served by this backend: in the store's order, then in the order given. Rejects with
 * {@linkcode StoreError}, which has a line for each reason, when the store has some that cannot be.
 */
export async function findServed(
  store: Store,
  { unikernels, config, backend }: Given,
  read: ReadSpec,
): Promise<Served[]> {
  const replaced = new Map(
    unikernels.map((unikernel) => [unikernel.name, unikernel]),
  );
  const problems: string[] = [];
  const served: Served[] = [];
  for (const each of await store.unikernels()) {
    const { name, spec, fromFile, statistics } = each;
    const replacement = replaced.get(name);
    replaced.delete(name);
    if (replacement) {
      served.push({ unikernel: replacement, statistics });
    } else if (fromFile && config !== undefined) {
      continue; // it was taken out of the file
    } else if (each.backend !== backend) {
      problems.push(
        `${name} is stored for the backend ${each.backend}, and this is ${backend}: choose it with --backend, or name another --persistdb`,
      );
    } else {
      const unikernel = read(spec);
      if (!("problems" in unikernel)) served.push({ unikernel, statistics });
      else {
        problems.push(
          ...unikernel.problems.map((problem) =>
            `${name} is stored with a CONFIG that cannot be used (${problem}): give its CONFIG anew`
          ),
        );
      }
    }
  }
  for (const unikernel of replaced.values()) served.push({ unikernel });
  checkIds(served, problems);
  if (problems.length > 0) throw new StoreError(problems.join("\n"));
  return served;
}

/** No two may be the same machine: the command line was checked for that, but not together with the store. */
function checkIds(served: readonly Served[], problems: string[]): void {
  const owners = new Map<string, string>();
  for (const { unikernel: { name, machine: { uuid } } } of served) {
    for (const id of new Set([name, uuid])) {
      if (id === undefined) continue;
      const owner = owners.get(id);
      if (owner === undefined) owners.set(id, name);
      else {problems.push(
          `${name} and ${owner} are the same machine: both are ${id}`,
        );}
    }
  }
}

/**
 * Stores what was given, as far as it is not what is stored already, and removes what is gone from the configuration
 * file. A store that cannot be written has told so.
 */
export async function storeGiven(
  store: Store,
  { unikernels, config, backend }: Given,
): Promise<void> {
  const stored = new Map(
    (await store.unikernels()).map((each) => [each.name, each]),
  );
  const writes: Promise<void>[] = [];
  for (const { name, spec, fromFile } of unikernels) {
    const before = stored.get(name);
    stored.delete(name);
    const isStored = before?.spec === spec && before.backend === backend &&
      before.fromFile === fromFile;
    if (isStored) continue;
    const reason = fromFile
      ? "configuration file"
      : "CONFIG of the command line";
    writes.push(
      store.configure(
        { name, backend, spec, fromFile },
        operatorChange(reason),
      ),
    );
  }
  for (const { name, fromFile } of stored.values()) {
    if (!fromFile || config === undefined) continue;
    log("jitsu").info(`${name}: removed, since ${config} has it no longer`);
    writes.push(
      store.remove(name, operatorChange("gone from the configuration file")),
    );
  }
  for (const each of await Promise.allSettled(writes)) {
    const error = each.status === "rejected" && each.reason;
    if (error && !(error instanceof StoreError)) throw error;
  }
}
