/**
 * Timers for delays that were computed or configured, and may be over already or longer than setTimeout takes.
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
