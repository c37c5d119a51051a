/**
 * A stand-in for `@std/cli` where JSR cannot be reached: what Jitsu uses of it, with upstream's names and behaviour.
 * Removing the `links` entry in deno.json puts upstream's package in its place.
 *
 * @module
 */
export { type Args, parseArgs, type ParseOptions } from "./parse_args.ts";
