/**
 * The configuration of a rumprun unikernel: the text of the file that `rumprun -T` makes, which the unikernel finds in
 * xenstore when it boots. What it says is between rumprun and the unikernel.
 *
 * @module
 */
import { XenstoreError } from "./libxenstore.ts";
import { PAYLOAD_MAX, type Xenstore } from "./xenstore.ts";

const pathOf = (domid: number) => `/local/domain/${domid}/rumprun/cfg`;

/** The largest domain id (`DOMID_FIRST_RESERVED`, xen.h, less one). */
const LAST_DOMID = 0x7fef;

/** Bytes of text that fit into one write: its payload is the path, a NUL and the value. */
export const RUMPRUN_CONFIG_MAX = PAYLOAD_MAX - pathOf(LAST_DOMID).length - 1;

/** Hands the configuration to a domain that does not run yet. Rejects with {@linkcode XenstoreError}. */
export async function writeRumprunConfig(
  xenstore: Xenstore,
  domid: number,
  text: string,
): Promise<void> {
  try {
    await xenstore.write(pathOf(domid), text);
  } catch (error) {
    throw new XenstoreError(
      `rumprun_config: ${
        (error as Error).message
      }; oxenstored has a limit of its own, quota-maxsize in oxenstored.conf`,
    );
  }
}
