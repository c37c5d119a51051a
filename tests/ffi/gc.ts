/**
 * Forcing garbage collection, to find out what C still uses and JavaScript no longer keeps.
 *
 * @module
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

/** Collects everything that nothing refers to. */
export const gc: () => void = runInNewContext("gc");
