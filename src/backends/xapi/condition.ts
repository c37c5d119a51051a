/**
 * Waiting until something holds that others bring about.
 *
 * @module
 */

/** Conditions are looked at again whenever {@linkcode changed} is called. */
export class Condition {
  readonly #waiting = new Set<() => void>();

  /** Something may hold now that did not. */
  changed(): void {
    for (const look of this.#waiting) look();
  }

  /** Resolves with true once `test` holds, and with false after `ms` milliseconds or when the signal aborts. */
  async when(
    test: () => boolean,
    { ms, signal }: { ms?: number; signal?: AbortSignal },
  ): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = () => test() && resolve(true);
    const giveUp = () => resolve(false);
    this.#waiting.add(look);
    signal?.addEventListener("abort", giveUp, { once: true });
    const timer = ms === undefined ? undefined : setTimeout(giveUp, ms);
    if (signal?.aborted) giveUp();
    look();
    try {
      return await promise;
    } finally {
      this.#waiting.delete(look);
      signal?.removeEventListener("abort", giveUp);
      clearTimeout(timer);
    }
  }
}
