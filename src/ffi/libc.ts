/**
 * The system's C library, for what Deno has no function for.
 *
 * @module
 */
import type { Library } from "./library.ts";

/**
 * For the symbols of a library that hands out memory to be freed: `free` is then found through that library's own
 * dependencies, so that what it allocated is freed by the C library that it uses.
 */
export const FREE = {
  free: {
    parameters: [
      "pointer", // void *ptr
    ],
    result: "void",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** glibc's, or musl's under the name it has on each machine. */
export const LIBC: Library = {
  name: "C",
  candidates: [
    "libc.so.6",
    "libc.musl-x86_64.so.1",
    "libc.musl-aarch64.so.1",
  ],
  install: ["the system's C library package"],
};
