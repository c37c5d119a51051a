/**
 * What libxl tells of the host and its memory, in its own terms.
 *
 * All reject with {@linkcode LibxlError}. Sizes are in KiB.
 *
 * @module
 */
import { CONTROL_DOMAIN } from "../../xen/control_domain.ts";
import type { Context } from "./context.ts";
import {
  type DomainConfig,
  STRUCTURE_SIZE,
  takeJson,
  withConfig,
} from "./domains.ts";

/** `INVALID_DOMID` (libxl.h). */
const INVALID_DOMID = ~0 >>> 0;

/** `libxl_version_info` (_libxl_types.h), what is used of it. */
export interface VersionInfo {
  xen_version_major?: number;
  xen_version_minor?: number;
  /** Xen's command line. */
  commandline?: string;
}

export async function versionInfo(context: Context): Promise<VersionInfo> {
  const { libxl, pointer } = context;
  const info = await libxl.libxl_get_version_info(pointer);
  return takeJson(context, libxl.libxl_version_info_to_json(pointer, info));
}

/** How much memory the host has, whoever has it. */
export async function totalMemory(context: Context): Promise<number> {
  const { libxl, pointer } = context;
  const info = new Uint8Array(STRUCTURE_SIZE);
  libxl.libxl_physinfo_init(info);
  try {
    await context.call([info], libxl.libxl_get_physinfo(pointer, info));
    const { total_pages } = takeJson<{ total_pages: number }>(
      context,
      libxl.libxl_physinfo_to_json(pointer, info),
    );
    return total_pages * 4;
  } finally {
    libxl.libxl_physinfo_dispose(info);
  }
}

/** How much of it no domain has. */
export async function freeMemory(context: Context): Promise<number> {
  const { libxl, pointer } = context;
  const memory = new BigUint64Array(1);
  await context.call([memory], libxl.libxl_get_free_memory(pointer, memory));
  return Number(memory[0]);
}

/** How much it takes to make a domain. Only since Xen 4.13. */
export function neededMemory(
  context: Context,
  config: DomainConfig,
): Promise<number> {
  return withConfig(context, config, async (buffer) => {
    const { libxl, pointer } = context;
    const memory = new BigUint64Array(1);
    await context.call(
      [buffer, memory],
      libxl.libxl_domain_need_memory(pointer, buffer, INVALID_DOMID, memory),
    );
    return Number(memory[0]);
  });
}

/** How much dom0 is to have. */
export async function dom0Memory(context: Context): Promise<number> {
  const { libxl, pointer } = context;
  const memory = new BigUint64Array(1);
  await context.call(
    [memory],
    libxl.libxl_get_memory_target(pointer, CONTROL_DOMAIN, memory),
  );
  return Number(memory[0]);
}

/** Tells dom0 to have so much less, and waits for it as long as it makes progress, or `patience` seconds. */
export async function shrinkDom0(
  context: Context,
  by: number,
  patience: number,
): Promise<void> {
  const { libxl, pointer } = context;
  const relative = 1, enforce = 0;
  await context.call(
    [],
    libxl.libxl_set_memory_target(
      pointer,
      CONTROL_DOMAIN,
      BigInt(-by),
      relative,
      enforce,
    ),
  );
  await context.call(
    [],
    libxl.libxl_wait_for_memory_target(pointer, CONTROL_DOMAIN, patience),
  );
}
