/**
 * A daemon with the process backend and nothing else, to be killed: starts a machine for each JSON object of keys on
 * its command line, suspends those that have a pidfile, says "ready" and waits.
 *
 * @module
 */
import { ProcessBackend } from "../../../src/backends/process/backend.ts";
import { config } from "./support.ts";

const backend = new ProcessBackend();
for (const [i, keys] of Deno.args.entries()) {
  const machine = await backend.machine(config(`m${i}`, JSON.parse(keys)));
  await machine.start();
  if ("pidfile" in JSON.parse(keys)) await machine.suspend();
}
await Deno.stdout.write(new TextEncoder().encode("ready\n"));
