/**
 * A daemon with the process backend and nothing else, to be killed: starts a machine for each JSON object on its command
 * line, suspends those that are to be, says "ready" and waits. After "--at-once" it says "ready" first and starts all at
 * the same time.
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
const isBurst = Deno.args[0] === "--at-once";
const machines = (isBurst ? Deno.args.slice(1) : Deno.args)
  .map((text, i) => ({ name: `m${i}`, ...JSON.parse(text) as Start }));

async function start(
  { name, keys, suspendOnce }: Start & { name: string },
): Promise<void> {
  const machine = await backend.machine(config(name, keys));
  await machine.start();
  if (suspendOnce !== undefined) {
    await contentOf(suspendOnce);
    await machine.suspend();
  }
}

const sayReady = () => Deno.stdout.write(new TextEncoder().encode("ready\n"));
if (isBurst) {
  await sayReady();
  await Promise.all(machines.map(start));
} else {
  for (const machine of machines) await start(machine);
  await sayReady();
}
