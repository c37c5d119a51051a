/**
 * Waiting for a key of a domain to appear in xenstore.
 *
 * @module
 */
import { watch } from "./watches.ts";
import { Xenstore } from "./xenstore.ts";

/**
 * Resolves when the key, relative to `/local/domain/DOMID/`, is there, whatever its value. Rejects with `XenstoreError`
 * when xenstore cannot be used, and with the signal's reason when that aborts.
 */
export async function waitForXenstoreKey(
  domid: number,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const path = `/local/domain/${domid}/${key}`;
  const { promise: there, resolve, reject } = Promise.withResolvers<void>();
  there.catch(() => {}); // it may reject before anybody awaits it
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await using xenstore = await Xenstore.open();
    const look = async () => {
      if (await xenstore.read(path) !== undefined) resolve();
    };
    const unwatch = await watch(path, {
      onEvent: () => look().catch(reject),
      onLost: reject,
    });
    try {
      await there;
    } finally {
      await unwatch();
    }
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
