/**
 * Whether first connections to booting unikernels can be caught.
 *
 * @module
 */
import { CatchHolder } from "../daemon/catch.ts";
import { type DaemonOptions, StartError } from "../daemon/options.ts";
import { bad, type Finding, good } from "./finding.ts";

export async function* examineCatch(
  { catch: interfaces }: DaemonOptions,
): AsyncGenerator<Finding> {
  if (interfaces.length === 0) return;
  try {
    await new CatchHolder(interfaces, () => performance.now()).close();
    yield good(`first connections can be caught on ${interfaces.join(", ")}`);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    yield bad(error.message);
  }
}
