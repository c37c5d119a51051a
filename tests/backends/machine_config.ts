/**
 * Configurations of machines for the tests of backends.
 *
 * @module
 */
import type {
  BackendDescription,
  MachineConfig,
  MachineKeys,
} from "../../src/backends/backend.ts";
import { readKeys } from "../../src/values/key.ts";

/** The keys as they are typed; several texts for one that is repeated. */
export type Typed = Readonly<Record<string, string | readonly string[]>>;

/** What a CONFIG with these keys tells its backend. Throws where the command line would refuse it. */
export function machineConfig<Keys extends MachineKeys = MachineKeys>(
  { keys: table }: Pick<BackendDescription, "keys">,
  name: string,
  { uuid, ...typed }: Typed & { uuid?: string } = {},
): MachineConfig<Keys> {
  const texts = Object.entries(typed).map(([key, value]) =>
    [key, [value].flat()] as const
  );
  for (const [key] of texts) {
    if (!table.some((each) => each.name === key)) throw new Error(`no ${key}`);
  }
  const keys = readKeys(table, new Map(texts), (problem) => {
    throw new Error(problem);
  });
  return { name, uuid, keys: keys as Keys };
}
