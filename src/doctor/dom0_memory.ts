/**
 * Whether guests of libvirt's Xen driver can find memory that dom0 has not taken.
 *
 * @module
 */
import { BackendError } from "../backends/backend.ts";
import { isLocalXen } from "../backends/libvirt/uri.ts";
import { xenCommandLine } from "../backends/libxl/contexts.ts";
import { hasDom0Memory } from "../backends/libxl/memory.ts";
import type { DaemonOptions } from "../daemon/options.ts";
import { doubtful, type Finding, good } from "./finding.ts";

export async function* examineDom0Memory(
  { backend, connect }: DaemonOptions,
): AsyncGenerator<Finding> {
  if (backend.name !== "libvirt" || !isLocalXen(connect)) return;
  let commandLine: string;
  try {
    commandLine = await xenCommandLine();
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    yield doubtful(`what memory dom0 has is not known: ${error.message}`);
    return;
  }
  yield hasDom0Memory(commandLine)
    ? good("dom0 leaves memory to guests (dom0_mem= of Xen's command line)")
    : doubtful(
      'Xen was booted without dom0_mem=, so that dom0 has all the memory and libvirt may find none for guests: boot it with dom0_mem=, or try "xl mem-set 0 SIZE"',
    );
}
