/**
 * What the command line has words for while what they ask for is not there yet. Whoever builds it deletes its entry.
 *
 * @module
 */
export const LATER: Record<"options" | "keys", readonly string[]> = {
  options: ["synjitsu"],
  keys: ["use_synjitsu"],
};

/** What is said of them. */
export const NOT_YET = "not supported by this version of Jitsu yet";
