/**
 * Looking at a guest from outside.
 *
 * @module
 */
import { until } from "../../until.ts";
import type { Guest } from "./rig.ts";

/** Booting under emulation takes 7 s on an idle machine. */
const BOOT_PATIENCE_MS = 120_000;

/** The id of the guest's boot, from its web page, as soon as it serves it. */
export function bootId({ name, ip }: Guest): Promise<string> {
  return until(`${name} serves HTTP`, () => page(ip, 1000), BOOT_PATIENCE_MS);
}

/** Whether the guest does not answer, for longer than one that runs takes to. */
export async function isDown({ ip }: Guest): Promise<boolean> {
  return await page(ip, 3000) === undefined;
}

async function page(
  ip: string,
  timeoutMs: number,
): Promise<string | undefined> {
  try {
    const response = await fetch(`http://${ip}/`, {
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    return response.status === 200 ? text.trim() : undefined;
  } catch {
    return undefined; // refused, unreachable, or no answer in time
  }
}
