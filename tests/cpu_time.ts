/**
 * The processor's time, which other processes of a busy machine do not lengthen.
 *
 * @module
 */

/** clock_gettime(2) */
const CLOCK_THREAD_CPUTIME_ID = 3;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
});
const timespec = new BigInt64Array(2);

/** Milliseconds that this thread has had the processor for. */
export function threadTime(): number {
  libc.clock_gettime(
    CLOCK_THREAD_CPUTIME_ID,
    new Uint8Array(timespec.buffer),
  );
  return Number(timespec[0]) * 1000 + Number(timespec[1]) / 1e6;
}

/**
 * Milliseconds that `run` takes, the least of some tries: the first ones may meet code that is not compiled yet. Tries
 * end with the first that takes no more than `enough`.
 */
export function leastTime(run: () => void, enough: number): number {
  let least = Infinity;
  for (let left = 20; left > 0 && least > enough; left--) {
    const began = threadTime();
    run();
    least = Math.min(least, threadTime() - began);
  }
  return least;
}
