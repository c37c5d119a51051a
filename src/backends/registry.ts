/**
 * The backends that can be chosen with `--backend`. Their descriptions only: a backend's code is loaded when it is
 * opened.
 *
 * @module
 */
import type { BackendDescription } from "./backend.ts";
import { LIBVIRT } from "./libvirt/description.ts";
import { LIBXL } from "./libxl/description.ts";
import { PROCESS } from "./process/description.ts";
import { XAPI } from "./xapi/description.ts";

/** In the order of `--help`. */
export const BACKENDS: readonly BackendDescription[] = [
  LIBVIRT,
  LIBXL,
  XAPI,
  PROCESS,
];
