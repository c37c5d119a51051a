/**
 * What is to become of a domain that has shut down.
 *
 * @module
 */
import type { Actions } from "./domain_config.ts";
import type { DomainInfo } from "./domains.ts";
import type { Action } from "./values.ts";

/** What a guest's shutdown is, by its reason (`libxl_shutdown_reason`). */
const SHUTDOWNS = {
  poweroff: { words: "it powered itself off", action: "on_poweroff" },
  reboot: { words: "it asked for a reboot", action: "on_reboot" },
  crash: { words: "it crashed", action: "on_crash" },
  watchdog: { words: "its watchdog fired", action: "on_watchdog" },
} as const;

/** What the guest did, in words, and what follows from that. */
export function afterShutdown(
  { shutdown_reason: reason }: DomainInfo,
  config: Actions,
): { words: string; action: Action } {
  const how = SHUTDOWNS[reason as keyof typeof SHUTDOWNS];
  return how === undefined
    ? { words: `it shut down (${reason})`, action: "destroy" }
    : { words: how.words, action: config[how.action] };
}

/** Whether it has shut down and is to stay as it is, for somebody to look into. */
export function isPreserved(info: DomainInfo, config: Actions): boolean {
  return info.shutdown === true &&
    afterShutdown(info, config).action === "preserve";
}
