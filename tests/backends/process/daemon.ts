/**
 * A daemon with the process backend and nothing else, to be killed: starts a machine for each JSON object on its command
 * line, suspends those that are to be, says "ready" and waits.
 *
 * @module
 */
import { ProcessBackend } from "../../../src/backends/process/backend.ts";
import { config, contentOf, type Keys } from "./support.ts";

/** One machine. */
export interface Start {
  keys: Keys;
  /** A file that its process writes. The machine is suspended when that is there, and not at all without it. */
  suspendOnce?: string;
}

const backend = new ProcessBackend();
for (const [i, text] of Deno.args.entries()) {
  const { keys, suspendOnce }: Start = JSON.parse(text);
  const machine = await backend.machine(config(`m${i}`, keys));
  await machine.start();
  if (suspendOnce !== undefined) {
    await contentOf(suspendOnce);
    await machine.suspend();
  }
}
await Deno.stdout.write(new TextEncoder().encode("ready\n"));
