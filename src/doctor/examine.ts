/**
 * Looks whether a command line could be served, without serving it. Nothing is started, stopped or kept.
 *
 * @module
 */
import type { DaemonOptions } from "../daemon/options.ts";
import { examineAddresses } from "./addresses.ts";
import { examineBackend } from "./backend.ts";
import { examineCatch } from "./catch.ts";
import { examineDom0Memory } from "./dom0_memory.ts";
import type { Finding } from "./finding.ts";
import { examineListening } from "./listening.ts";
import { examineSynjitsu } from "./synjitsu.ts";
import { examineUpstreams } from "./upstreams.ts";

/** What is found, one by one. */
export async function* examine(
  options: DaemonOptions,
): AsyncGenerator<Finding> {
  yield* examineListening(options);
  yield* examineUpstreams(options);
  yield* examineBackend(options);
  yield* examineDom0Memory(options);
  yield* examineCatch(options);
  yield* examineAddresses(options);
  yield* examineSynjitsu(options);
}
