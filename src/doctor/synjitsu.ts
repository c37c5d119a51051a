/**
 * Whether Synjitsu can be told of booting unikernels.
 *
 * @module
 */
import type { DaemonOptions } from "../daemon/options.ts";
import { XenstoreError } from "../xen/libxenstore.ts";
import { loadLibXenvchan, VchanError } from "../xen/libxenvchan.ts";
import { findSynjitsu, isServing } from "../xen/synjitsu.ts";
import { Xenstore } from "../xen/xenstore.ts";
import { bad, doubtful, type Finding, good } from "./finding.ts";

export async function* examineSynjitsu(
  { synjitsu, unikernels }: DaemonOptions,
): AsyncGenerator<Finding> {
  const users = unikernels.filter(({ useSynjitsu }) => useSynjitsu)
    .map(({ name }) => name).join(", ");
  if (synjitsu === undefined) {
    if (users !== "") {
      yield doubtful(`${users}: use_synjitsu has no effect without --synjitsu`);
    }
    return;
  }
  if (users === "") {
    yield doubtful("Synjitsu is told of no unikernel: none has use_synjitsu=1");
  }
  try {
    yield await examineDomain(synjitsu);
  } catch (error) {
    if (!(error instanceof VchanError || error instanceof XenstoreError)) {
      throw error;
    }
    yield bad(`Synjitsu: ${error.message}`);
  }
}

async function examineDomain(uuid: string): Promise<Finding> {
  loadLibXenvchan();
  await using xenstore = await Xenstore.open();
  const domid = await findSynjitsu(xenstore, uuid);
  if (domid === undefined) {
    return doubtful(
      `no domain has the UUID ${uuid} of Synjitsu now: start it, and look at its UUID with "xl list -v"`,
    );
  }
  return await isServing(xenstore, domid)
    ? good(`Synjitsu is domain ${domid} and takes connections`)
    : doubtful(
      `Synjitsu is domain ${domid}, but takes no connections: see "xl console ${domid}" for what it does`,
    );
}
