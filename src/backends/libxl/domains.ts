/**
 * What libxl reads of domains and does to them, in its own terms: domain ids, and its JSON for configurations.
 *
 * All reject with {@linkcode LibxlError}.
 *
 * @module
 */
import { cString, readCString } from "../../ffi/c_string.ts";
import type { Context } from "./context.ts";
import { ERROR, LibxlError } from "./errors.ts";
import { BoundedScripts } from "./hotplug_scripts.ts";
import { endedChildren, endingStuckChildren } from "./stuck_children.ts";
import { DEFAULT_SCRIPT_TIMEOUT } from "./values.ts";

/**
 * Bytes that hold any of libxl's structures. `libxl_domain_config` has 1288 of them in Xen 4.17, the others less; only
 * libxl reads and writes them.
 */
export const STRUCTURE_SIZE = 16 * 1024;

const SCRIPT_TIMEOUT = 1000 * DEFAULT_SCRIPT_TIMEOUT;

/** `libxl_shutdown_reason` (_libxl_types.h), as its JSON has it. */
export type ShutdownReason =
  | "unknown"
  | "poweroff"
  | "reboot"
  | "suspend"
  | "crash"
  | "watchdog"
  | "soft_reset";

/** `libxl_dominfo` (_libxl_types.h), what is used of it. In libxl's JSON, what is false or 0 is left out. */
export interface DomainInfo {
  domid: number;
  /** Lower case, with hyphens. */
  uuid?: string;
  paused?: boolean;
  /** It executes no more but is still there: see `shutdown_reason`. */
  shutdown?: boolean;
  shutdown_reason?: ShutdownReason;
  /** It is being destroyed. */
  dying?: boolean;
  /** It is xenstore's domain. */
  never_stop?: boolean;
}

/** `libxl_domain_config` (_libxl_types.h), what is used of it. `xl list -l` prints it. */
export interface DomainConfig {
  c_info?: { domid?: number; xsdata?: Record<string, string> };
  nics?: { devid?: number; mac?: string; script?: string }[];
}

/** Whether the error says that there is no such domain (any more). */
export function isGone(error: unknown): boolean {
  return error instanceof LibxlError &&
    (error.code === ERROR.DOMAIN_NOTFOUND ||
      error.code === ERROR.DOMAIN_DESTROYED);
}

/** The id of the domain with that name, or undefined where there is none. */
export async function domidOf(
  context: Context,
  name: string,
): Promise<number | undefined> {
  const text = cString(name);
  const domid = new Uint32Array(1);
  try {
    await context.call(
      [text, domid],
      context.libxl.libxl_name_to_domid(context.pointer, text, domid),
    );
  } catch (error) {
    if (error instanceof LibxlError && error.code === ERROR.INVAL) {
      return undefined;
    }
    throw error;
  }
  return domid[0];
}

/** What Xen knows of a domain, or undefined where there is none with that id. */
export async function domainInfo(
  context: Context,
  domid: number,
): Promise<DomainInfo | undefined> {
  const { libxl, pointer } = context;
  const info = new Uint8Array(STRUCTURE_SIZE);
  libxl.libxl_dominfo_init(info);
  try {
    await context.call([info], libxl.libxl_domain_info(pointer, info, domid));
    return {
      ...takeJson<object>(context, libxl.libxl_dominfo_to_json(pointer, info)),
      domid,
    };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  } finally {
    libxl.libxl_dominfo_dispose(info);
  }
}

/** The configuration of a domain with what libxl chose itself, or undefined where it is not wholly made yet. */
export async function configurationOf(
  context: Context,
  domid: number,
): Promise<DomainConfig | undefined> {
  const { libxl, pointer } = context;
  const config = new Uint8Array(STRUCTURE_SIZE);
  libxl.libxl_domain_config_init(config);
  try {
    await context.call(
      [config],
      libxl.libxl_retrieve_domain_configuration(pointer, domid, config, null),
    );
    return takeJson(
      context,
      libxl.libxl_domain_config_to_json(pointer, config),
    );
  } catch (error) {
    if (
      error instanceof LibxlError && error.code === ERROR.JSON_CONFIG_EMPTY
    ) return undefined;
    throw error;
  } finally {
    libxl.libxl_domain_config_dispose(config);
  }
}

/**
 * Makes a domain, paused. Resolves with its id; where it rejects, nothing is left.
 *
 * @param scriptTimeout milliseconds that a hotplug script may take
 */
export function createDomain(
  context: Context,
  config: DomainConfig,
  scriptTimeout = SCRIPT_TIMEOUT,
): Promise<number> {
  return withConfig(context, config, async (buffer) => {
    const domid = new Uint32Array(1);
    await callWithScripts(
      context,
      [buffer, domid],
      scriptTimeout,
      () =>
        context.libxl.libxl_domain_create_new(
          context.pointer,
          buffer,
          domid,
          null,
          null,
        ),
    );
    return domid[0];
  });
}

/**
 * Makes a domain, paused, with the memory and the processors' state that {@linkcode saveDomain} wrote, which is read
 * from the file descriptor. Resolves with its id; where it rejects, nothing is left.
 *
 * @param scriptTimeout as for {@linkcode createDomain}
 */
export function restoreDomain(
  context: Context,
  config: DomainConfig,
  fd: number,
  scriptTimeout = SCRIPT_TIMEOUT,
): Promise<number> {
  const { libxl, pointer } = context;
  return withConfig(context, config, async (buffer) => {
    const domid = new Uint32Array(1);
    const params = new Uint8Array(STRUCTURE_SIZE);
    libxl.libxl_domain_restore_params_init(params);
    try {
      context.check(
        libxl.libxl_domain_restore_params_from_json(
          pointer,
          params,
          cString(JSON.stringify({ stream_version: 2 })), // what libxl writes since Xen 4.6
        ),
      );
      await callWithScripts(
        context,
        [buffer, domid, params],
        scriptTimeout,
        () =>
          libxl.libxl_domain_create_restore(
            pointer,
            buffer,
            domid,
            fd,
            -1,
            params,
            null,
            null,
          ),
      );
    } finally {
      libxl.libxl_domain_restore_params_dispose(params);
    }
    return domid[0];
  });
}

/**
 * Suspends a domain and writes it to the file descriptor. It is then still there, see {@linkcode resumeDomain}, and may
 * be so where this rejects.
 */
export async function saveDomain(
  context: Context,
  domid: number,
  fd: number,
): Promise<void> {
  await context.call(
    [],
    endingStuckChildren(
      context.libxl.libxl_domain_suspend(context.pointer, domid, fd, 0, null),
    ),
  );
}

/** Lets a domain go on that was suspended and is still in memory. */
export async function resumeDomain(
  context: Context,
  domid: number,
): Promise<void> {
  const cancel = 1; // the guest goes on as if nothing had happened, which it must support; Linux and Mini-OS do
  await context.call(
    [],
    context.libxl.libxl_domain_resume(context.pointer, domid, cancel, null),
  );
}

export async function unpauseDomain(
  context: Context,
  domid: number,
): Promise<void> {
  await context.call(
    [],
    context.libxl.libxl_domain_unpause(context.pointer, domid, null),
  );
}

/** Presses the power button of an HVM domain, which tells its guest by ACPI. */
export async function pressPowerButton(
  context: Context,
  domid: number,
): Promise<void> {
  const power = 1; // LIBXL_TRIGGER_POWER
  await context.call(
    [],
    context.libxl.libxl_send_trigger(context.pointer, domid, power, 0, null),
  );
}

/** @param scriptTimeout as for {@linkcode createDomain} */
export async function destroyDomain(
  context: Context,
  domid: number,
  scriptTimeout = SCRIPT_TIMEOUT,
): Promise<void> {
  for (;;) {
    const ended = endedChildren();
    try {
      return await callWithScripts(
        context,
        [],
        scriptTimeout,
        () => context.libxl.libxl_domain_destroy(context.pointer, domid, null),
      );
    } catch (error) {
      // Where its child got stuck, what it was to do is still to be done.
      if (endedChildren() === ended || isGone(error)) throw error;
    }
  }
}

/** A call that may run hotplug scripts. */
async function callWithScripts(
  context: Context,
  buffers: readonly BufferSource[],
  scriptTimeout: number,
  call: () => Promise<number>,
): Promise<void> {
  using scripts = new BoundedScripts(scriptTimeout);
  try {
    await context.call(buffers, endingStuckChildren(call()));
  } catch (error) {
    throw scripts.explain(error);
  }
}

/** Lends `use` a `libxl_domain_config` with that content. */
export async function withConfig<T>(
  context: Context,
  content: DomainConfig,
  use: (config: Uint8Array<ArrayBuffer>) => Promise<T>,
): Promise<T> {
  const { libxl, pointer } = context;
  const config = new Uint8Array(STRUCTURE_SIZE);
  libxl.libxl_domain_config_init(config);
  try {
    context.check(
      libxl.libxl_domain_config_from_json(
        pointer,
        config,
        cString(JSON.stringify(content)),
      ),
    );
    return await use(config);
  } finally {
    libxl.libxl_domain_config_dispose(config);
  }
}

/** What libxl's JSON says, which is then freed. */
export function takeJson<T>({ libxl }: Context, json: Deno.PointerValue): T {
  if (json === null) throw new Error("libxl is out of memory");
  const text = readCString(json);
  libxl.free(json);
  return JSON.parse(text);
}
