/**
 * Waiting for something to happen in the real world.
 *
 * @module
 */

/**
 * How long anything may take before a test gives up on it: generous, since the machine may be busy. On one that is slow
 * by nature, TEST_PATIENCE is that in seconds.
 */
const PATIENCE_MS = 1000 * Number(Deno.env.get("TEST_PATIENCE") ?? 60);

/** Resolves with the first value of `check` that is neither undefined nor false; fails with `what` when none comes. */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<Exclude<T, undefined | false>> {
  for (const end = Date.now() + patienceMs; Date.now() < end;) {
    const value = await check();
    if (value !== undefined && value !== false) {
      return value as Exclude<T, undefined | false>;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited ${patienceMs / 1000} s in vain: ${what}`);
}
