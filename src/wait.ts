/**
 * Waiting: for a time to pass, and for a promise no longer than so many milliseconds, or until a signal aborts. No timer
 * and no listener is left behind.
 *
 * @module
 */

/** The longest delay of setTimeout in milliseconds (a signed 32-bit number): a longer one would fire at once. */
export const MAX_DELAY = 2 ** 31 - 1;

/**
 * Calls `work` after `ms` milliseconds: at once where they are over already, after {@linkcode MAX_DELAY}, which is 24 days,
 * where they are more. setTimeout itself would write a warning to stderr, which belongs to the log.
 */
export function timer(
  work: () => void,
  ms: number,
): ReturnType<typeof setTimeout> {
  return setTimeout(work, Math.min(Math.max(0, ms), MAX_DELAY));
}

/** Resolves after `ms` milliseconds. Rejects with the signal's reason when that aborts before. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const clock = timer(resolve, ms);
  try {
    await (signal ? unlessAborted(signal, promise) : promise);
  } finally {
    clearTimeout(clock);
  }
}

/** What the promise comes to within `ms` milliseconds; undefined where it takes longer, and whatever it then comes to. */
export async function within<T>(
  ms: number,
  promise: Promise<T>,
): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const clock = timer(() => resolve(undefined), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(clock);
  }
}

/** What the promise comes to within `ms` milliseconds. Rejects with what `late` makes where it takes longer. */
export async function deadline<T>(
  ms: number,
  promise: Promise<T>,
  late: () => Error,
): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const clock = timer(() => reject(late()), ms);
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(clock);
  }
}

/** What the promise comes to. Rejects with the signal's reason when that has aborted, or does so before. */
export async function unlessAborted<T>(
  signal: AbortSignal,
  promise: Promise<T>,
): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
