/**
 * The unikernels to serve: those that the store has from before, replaced and joined by those of the command line.
 *
 * @module
 */
import type { ReadSpec } from "./options.ts";
import type { Unikernel } from "../summon/unikernel.ts";
import {
  type Change,
  type Statistics,
  type Store,
  StoreError,
} from "../store/store.ts";

/** What there is to serve, and what the store knows of it. */
export interface Served {
  unikernel: Unikernel;
  statistics?: Statistics;
}

/**
 * All that is to be served by this backend: in the store's order, then in the order given. Rejects with
 * {@linkcode StoreError}, which has a line for each reason, when the store has some that cannot be.
 */
export async function findServed(
  store: Store,
  given: readonly Unikernel[],
  backend: string,
  read: ReadSpec,
): Promise<Served[]> {
  const replaced = new Map(
    given.map((unikernel) => [unikernel.name, unikernel]),
  );
  const problems: string[] = [];
  const served: Served[] = [];
  for (
    const { name, backend: its, spec, statistics } of await store.unikernels()
  ) {
    const replacement = replaced.get(name);
    replaced.delete(name);
    if (replacement) {
      served.push({ unikernel: replacement, statistics });
    } else if (its !== backend) {
      problems.push(
        `${name} is stored for the backend ${its}, and this is ${backend}: choose it with --backend, or name another --persistdb`,
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

/** Stores what was given, as far as it is not what is stored already. A store that cannot be written has told so. */
export async function storeGiven(
  store: Store,
  given: readonly Unikernel[],
  backend: string,
): Promise<void> {
  const stored = new Map(
    (await store.unikernels()).map((each) => [each.name, each]),
  );
  const change: Change = {
    time: Date.now(),
    origin: "operator",
    reason: "CONFIG of the command line",
  };
  await Promise.all(
    given.map(async ({ name, spec }) => {
      const before = stored.get(name);
      if (before?.spec === spec && before.backend === backend) return;
      try {
        await store.configure({ name, backend, spec }, change);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
      }
    }),
  );
}
