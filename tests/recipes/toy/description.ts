/**
 * A backend as small as one can be, to follow the recipe of README with: a machine is a file, and runs while it is there.
 *
 * @module
 */
import type { BackendDescription } from "../../../src/backends/backend.ts";

export const TOY: BackendDescription = {
  name: "toy",
  doc: "Files: each is a machine that runs while it is there.",
  keys: [{ name: "file", required: true, doc: "The file." }],
  capabilities: {},
  open: async () => new (await import("./backend.ts")).ToyBackend(),
};
