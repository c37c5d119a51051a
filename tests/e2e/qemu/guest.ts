/**
 * Looking at a guest from outside.
 *
 * @module
 */
import { until } from "../../until.ts";
import type { Guest } from "./rig.ts";

/** Booting under emulation takes 7 s on an idle machine. */
export const BOOT_PATIENCE_MS = 120_000;

/** The id of the guest's boot, from its web page. Rejects if it does not serve it now. */
export async function bootId(
  { ip }: Guest,
  timeoutMs = 20_000,
): Promise<string> {
  const response = await fetch(`http://${ip}/`, {
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  if (response.status !== 200) {
    throw new Error(`HTTP status ${response.status}`);
  }
  return text.trim();
}

/** The id of the guest's boot as soon as it serves it. */
export function booted(guest: Guest): Promise<string> {
  return until(
    `${guest.name} serves HTTP`,
    () => bootId(guest, 1000).catch(() => undefined),
    BOOT_PATIENCE_MS,
  );
}

/** Whether the guest does not answer, for longer than one that runs takes to. */
export function isDown(guest: Guest): Promise<boolean> {
  return bootId(guest, 3000).then(() => false, () => true);
}
