/**
 * A backend as small as one can be, to follow the recipe of README with: a machine is a file, and runs while it is there.
 *
 * @module
 */
import type { ValuesOf } from "../../../src/values/key.ts";
import { readText } from "../../../src/values/readers.ts";
import type {
  BackendDescription,
  BackendKey,
} from "../../../src/backends/backend.ts";

const KEYS = [
  { name: "file", required: true, read: readText, doc: "The file." },
] as const satisfies readonly BackendKey[];
export type ToyKeys = ValuesOf<typeof KEYS>;

export const TOY: BackendDescription = {
  name: "toy",
  doc: "Files: each is a machine that runs while it is there.",
  keys: KEYS,
  capabilities: {},
  open: async () => new (await import("./backend.ts")).ToyBackend(),
};
