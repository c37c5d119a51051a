/**
 * Opening libxenlight.
 *
 * @module
 */
import { LibraryError, openLibrary } from "../../ffi/library.ts";
import { xenLibrary } from "../../xen/library.ts";
import { BackendError } from "../backend.ts";
import { SYMBOLS } from "./symbols.ts";

/** libxenlight's functions. */
export type Libxl = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let library: Libxl | undefined;

/**
 * Opens libxenlight, the first time it is called.
 *
 * @throws {BackendError} when it is not installed
 */
export function loadLibxl(): Libxl {
  try {
    return library ??= openLibrary(xenLibrary("libxenlight"), SYMBOLS).symbols;
  } catch (error) {
    if (error instanceof LibraryError) throw new BackendError(error.message);
    throw error;
  }
}
