/**
 * Giving memory back to the system.
 *
 * @module
 */
import { libc } from "../ffi/libc.ts";
import { LibraryError } from "../ffi/library.ts";

/**
 * Collects all garbage and leaves no gaps, where the runtime lets us (V8's --expose-gc, which the compiled program has).
 * Reading a hundred thousand names leaves behind as much as is kept of them, in pages that V8 and malloc would keep for
 * years.
 */
export function collectGarbage(): void {
  const { gc } = globalThis as { gc?: (options: object) => void };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  try {
    libc().malloc_trim?.(0n); // musl has none: it gives memory back unasked
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error; // nothing depends on it
  }
}
