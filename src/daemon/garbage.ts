/**
 * Giving memory back to the system.
 *
 * @module
 */
import { LIBC } from "../ffi/libc.ts";
import { LibraryError, openLibrary } from "../ffi/library.ts";

const SYMBOLS = {
  /** int malloc_trim(size_t pad) */
  malloc_trim: { parameters: ["usize"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Collects all garbage and leaves no gaps, where the runtime lets us (V8's --expose-gc, which the compiled program has).
 * Reading a hundred thousand names leaves behind as much as is kept of them, in pages that V8 and malloc would keep for
 * years.
 */
export function collectGarbage(): void {
  const { gc } = globalThis as { gc?: (options: object) => void };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  try {
    openLibrary(LIBC, SYMBOLS).symbols.malloc_trim(0n);
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error; // musl's gives it back unasked
  }
}
