/**
 * Opening libxenlight.
 *
 * @module
 */
import { lazyLibrary } from "../../ffi/library.ts";
import { xenLibrary } from "../../xen/library.ts";
import { BackendError } from "../backend.ts";
import { SYMBOLS } from "./symbols.ts";

/** libxenlight's functions. */
export type Libxl = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/**
 * Opens libxenlight, the first time it is called.
 *
 * @throws {BackendError} when it is not installed
 */
export const loadLibxl: () => Libxl = lazyLibrary(
  xenLibrary("libxenlight"),
  SYMBOLS,
  BackendError,
);
