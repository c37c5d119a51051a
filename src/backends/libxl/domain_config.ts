/**
 * The description of a guest that libxl gets: its JSON (`libxl_domain_config`, _libxl_types.h), as `xl list -l` prints
 * it.
 *
 * @module
 */
import { BackendError } from "../backend.ts";
import type { DomainConfig } from "./domains.ts";
import type { Guest, Nic } from "./guest.ts";
import { FAST_SCRIPT } from "./values.ts";
import { type Action, ACTIONS } from "./values.ts";
import { FAST_SCRIPT_PATH } from "./vif_script.ts";

type Json = { [key: string]: unknown };

/** What a guest gets that is described with nothing else. */
const DEFAULTS: Json = {
  b_info: { max_vcpus: 1 },
  on_poweroff: "destroy",
  on_reboot: "restart",
  on_watchdog: "destroy",
  on_crash: "destroy",
};

/** What becomes of a domain that has shut down, by the reason for it. */
export type Actions = Record<
  "on_poweroff" | "on_reboot" | "on_watchdog" | "on_crash",
  Action
>;

/**
 * The configuration of a guest.
 *
 * @throws {BackendError} where `extra_config` contradicts the other keys, or asks for what Jitsu cannot do
 */
export function domainConfig(guest: Guest): DomainConfig & Actions {
  const named = namedConfig(guest);
  let config = merge(DEFAULTS, named);
  if (guest.extra !== undefined) {
    const { file, config: extra } = guest.extra;
    const conflict = conflictOf(named, extra);
    if (conflict !== undefined) {
      throw new BackendError(
        `extra_config=${file}: ${conflict} is what the other keys say already`,
      );
    }
    config = merge(merge(DEFAULTS, extra), named);
    for (
      const key of Object.keys(DEFAULTS).filter((key) => key.startsWith("on_"))
    ) {
      if (!ACTIONS.includes(config[key] as Action)) {
        throw new BackendError(
          `extra_config=${file}: ${key} ${JSON.stringify(config[key])} is not ${
            ACTIONS.join(" or ")
          }`,
        );
      }
    }
  }
  return config as unknown as DomainConfig & Actions;
}

function namedConfig(guest: Guest): Json {
  const { vcpus, nics, disks } = guest;
  return omitUndefined({
    c_info: { type: guest.type, name: guest.name, uuid: guest.uuid },
    b_info: omitUndefined({
      max_memkb: guest.memoryKiB,
      target_memkb: guest.memoryKiB,
      max_vcpus: vcpus,
      avail_vcpus: vcpus && Array.from({ length: vcpus }, (_, i) => i),
      kernel: guest.kernel,
      ramdisk: guest.ramdisk,
      cmdline: guest.cmdline,
      [`type.${guest.type}`]: {},
    }),
    nics: nics.length > 0 ? nics.map(nicConfig) : undefined,
    disks: disks.length > 0
      ? disks.map(({ file, vdev, format, readOnly }) => ({
        pdev_path: file,
        vdev,
        format,
        readwrite: readOnly ? 0 : 1,
      }))
      : undefined,
    on_crash: guest.onCrash,
  });
}

function nicConfig({ bridge, mac, script }: Nic, devid: number): Json {
  const nic = { devid, mac, bridge };
  if (script === undefined) return nic;
  if (script !== FAST_SCRIPT) return { ...nic, script };
  // libxl hands scripts the "gatewaydev" in their environment, and leaves the bridge for them to look up.
  return { ...nic, script: FAST_SCRIPT_PATH, gatewaydev: bridge };
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function omitUndefined(object: Json): Json {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  );
}

/** Both, object by object; where both have something else, it is what `over` has. */
function merge(under: Json, over: Json): Json {
  const merged = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value)
      ? merge(below, value)
      : value;
  }
  return merged;
}

/** The path of something that both have, if there is any; that both have an object is nothing. */
function conflictOf(a: Json, b: Json): string | undefined {
  for (const [key, value] of Object.entries(b)) {
    if (!(key in a)) continue;
    const mine = a[key];
    if (!isObject(mine) || !isObject(value)) return key;
    const inside = conflictOf(mine, value);
    if (inside !== undefined) return `${key}.${inside}`;
  }
}
