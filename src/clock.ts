/**
 * The time, for what is done with every query.
 *
 * @module
 */

/**
 * A monotonic clock in milliseconds that is read once in each turn of the event loop: to read it costs a good part of what
 * an answer from memory does, and hundreds of queries are answered in one turn.
 */
export function turnClock(): () => number {
  let time = 0, isRead = false;
  const forget = () => {
    isRead = false;
  };
  return () => {
    if (!isRead) {
      time = performance.now();
      isRead = true;
      queueMicrotask(forget);
    }
    return time;
  };
}
