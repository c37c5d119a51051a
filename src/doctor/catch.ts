/**
 * Whether first connections to booting unikernels can be caught, and are let go when they can be taken.
 *
 * @module
 */
import { CatchHolder } from "../daemon/catch.ts";
import { type DaemonOptions, StartError } from "../daemon/options.ts";
import type { Unikernel } from "../summon/unikernel.ts";
import { bad, doubtful, type Finding, good } from "./finding.ts";

export async function* examineCatch(
  { catch: interfaces, unikernels, backend }: DaemonOptions,
): AsyncGenerator<Finding> {
  if (interfaces.length === 0) return;
  try {
    const holder = await CatchHolder.open(interfaces, () => 0);
    await holder.close();
    yield good(`first connections can be caught on ${interfaces.join(", ")}`);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    yield bad(error.message);
  }
  const waitKeys = backend.keys.filter(({ waits }) => waits);
  const isWaitedFor = ({ readiness, machine }: Unikernel) =>
    readiness.waitForTcp !== undefined || readiness.waitForKey !== undefined ||
    waitKeys.some(({ name }) => machine.keys[name]);
  for (const unikernel of unikernels) {
    if (isWaitedFor(unikernel)) continue;
    const { name, readiness: { responseDelay } } = unikernel;
    yield doubtful(
      `${name}: what is caught is sent to it ${responseDelay} s after its start, ready or not: give it wait_for_tcp`,
    );
  }
}
