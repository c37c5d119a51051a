/**
 * The unikernels to serve: those that the store has from before, replaced and joined by those of the command line and the
 * configuration file.
 *
 * @module
 */
import { log } from "../log.ts";
import type { ReadSpec } from "./configuration.ts";
import type { Unikernel } from "../summon/unikernel.ts";
import {
  operatorChange,
  type Statistics,
  type Store,
  StoreError,
  untold,
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

/** What comes of what the store has and what is given. */
export interface Found {
  /** All that is to be served: in the store's order, then in the order given. */
  served: Served[];
  /** Those given that the store does not have, or has otherwise. */
  changed: Unikernel[];
  /** The names of those that the store has from a configuration file that has them no longer. */
  gone: string[];
}

/**
 * Finds what this backend is to serve. Rejects with {@linkcode StoreError}, which has a line for each reason, when the
 * store has some that cannot be served.
 */
export async function findServed(
  store: Store,
  { unikernels, config, backend }: Given,
  read: ReadSpec,
): Promise<Found> {
  const replaced = new Map(
    unikernels.map((unikernel) => [unikernel.name, unikernel]),
  );
  const problems: string[] = [];
  const found: Found = { served: [], changed: [], gone: [] };
  const { served, changed, gone } = found;
  for (const each of await store.unikernels()) {
    const { name, spec, fromFile, statistics } = each;
    const replacement = replaced.get(name);
    replaced.delete(name);
    if (replacement) {
      served.push({ unikernel: replacement, statistics });
      const isStored = spec === replacement.spec && each.backend === backend &&
        fromFile === replacement.fromFile;
      if (!isStored) changed.push(replacement);
    } else if (fromFile && config !== undefined) {
      gone.push(name);
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
  for (const unikernel of replaced.values()) {
    served.push({ unikernel });
    changed.push(unikernel);
  }
  checkIds(served, problems);
  if (problems.length > 0) throw new StoreError(problems.join("\n"));
  return found;
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

/** Brings the store up to what was found. One that cannot be written has told so. */
export async function storeGiven(
  store: Store,
  { changed, gone }: Found,
  { backend, config }: Given,
): Promise<void> {
  const writes = changed.map(({ name, spec, fromFile }) =>
    store.configure(
      { name, backend, spec, fromFile },
      operatorChange(
        fromFile ? "configuration file" : "CONFIG of the command line",
      ),
    )
  );
  for (const name of gone) {
    log("jitsu").info(`${name}: removed, since ${config} has it no longer`);
    writes.push(
      store.remove(name, operatorChange("gone from the configuration file")),
    );
  }
  await Promise.all(writes.map((write) => write.catch(untold)));
}
