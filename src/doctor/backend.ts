/**
 * Whether the backend can be used and has the unikernels.
 *
 * @module
 */
import { type Backend, BackendError } from "../backends/backend.ts";
import type { DaemonOptions } from "../daemon/options.ts";
import { bad, type Finding, good } from "./finding.ts";

export async function* examineBackend(
  { backend: description, connect, settings, unikernels }: DaemonOptions,
): AsyncGenerator<Finding> {
  let backend: Backend;
  try {
    backend = await description.open({ connect, settings });
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    yield bad(`the backend ${description.name}: ${error.message}`);
    return;
  }
  yield good(`the backend ${description.name} can be used`);
  try {
    for (const { name, machine } of unikernels) {
      try {
        const found = await backend.machine(machine);
        const state = await found.state();
        yield good(`${name}: the backend has it, and it is ${state}`);
        for (const problem of await found.startProblems?.() ?? []) {
          yield bad(`${name}: ${problem}`);
        }
      } catch (error) {
        if (!(error instanceof BackendError)) throw error;
        yield bad(`${name}: ${error.message}`);
      }
    }
  } finally {
    await backend.close();
  }
}
