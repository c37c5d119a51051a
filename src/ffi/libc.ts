/**
 * The system's C library, for what Deno has no function for.
 *
 * @module
 */
import type { Library } from "./library.ts";

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
