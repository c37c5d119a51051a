/**
 * Run by leak_test.ts in the dom0 of a Xen host, in a process of its own: makes and destroys domains of the smallest kind
 * and prints, as JSON, the {@linkcode Findings}.
 *
 * The process is to be run with {@linkcode ENVIRONMENT}.
 *
 * @module
 */
import { openLibxl } from "../../../src/backends/libxl/backend.ts";
import { LIBC } from "../../../src/ffi/libc.ts";
import { openLibrary } from "../../../src/ffi/library.ts";
import { gc } from "../../ffi/gc.ts";
import { openFiles } from "../../open_files.ts";
import { run } from "../../run.ts";
import { TINY } from "../../xen/dom0.ts";
import { LIBXL } from "../../../src/backends/libxl/description.ts";
import { machineConfig } from "../machine_config.ts";

/** How many domains are made in all. */
export const DOMAINS = 104;
/** How many are made before anything is counted: contexts and caches fill up. */
const WARM_UP = 20;
/** After how many the heap is looked at. */
const SPAN = 12;

/** Without glibc's caches of each thread: what is in them counts as in use, and it differs from thread to thread. */
export const ENVIRONMENT = {
  GLIBC_TUNABLES: "glibc.malloc.tcache_count=0",
};

/** What was there before and after. */
export interface Findings {
  before: Inventory;
  after: Inventory;
  /** Bytes by which the C heap has grown for each domain, in spans of the time. */
  grown: number[];
}

/** What a process or xenstore can have too much of: how many open files, and the names of the rest. */
type Inventory = Record<string, number | string[]>;

async function inventory(): Promise<Inventory> {
  const list = async (path: string) =>
    (await run(["xenstore-list", path])).split("\n").sort();
  return {
    "open files": openFiles(),
    "/var/lib/xen": [...Deno.readDirSync("/var/lib/xen")].map((file) =>
      file.name
    ).sort(),
    "/local/domain": await list("/local/domain"),
    "/libxl": await list("/libxl"),
    "/vm": await list("/vm"),
  };
}

if (import.meta.main) {
  const { mallinfo2 } = openLibrary(LIBC, {
    mallinfo2: { parameters: [], result: { struct: Array(10).fill("usize") } },
  }).symbols;
  /** Bytes of the C heap that are in use (`uordblks`, mallinfo2(3)). */
  const heap = () => {
    gc();
    return Number(new BigUint64Array(mallinfo2().buffer as ArrayBuffer)[7]);
  };

  const backend = await openLibxl();
  const keys = { kernel: TINY, memory: "4096", on_crash: "destroy" };
  // Side by side, as the summoner does it.
  const machines = await Promise.all(
    [1, 2, 3, 4].map((i) =>
      backend.machine(machineConfig(LIBXL, `leak${i}`, keys))
    ),
  );
  const cycle = (count: number) =>
    Promise.all(machines.map(async (machine) => {
      for (let i = 0; i < count; i += machines.length) {
        await machine.start();
        if (machine === machines[0]) { // a fourth is enough to see what leaks there
          await machine.state();
          await machine.macAddresses!();
        }
        await machine.destroy();
      }
    }));

  await cycle(WARM_UP);
  const before = await inventory();
  const grown: number[] = [];
  let last = heap();
  for (let i = WARM_UP; i < DOMAINS; i += SPAN) {
    await cycle(SPAN);
    const now = heap();
    grown.push((now - last) / SPAN);
    last = now;
  }
  const findings: Findings = { before, after: await inventory(), grown };
  // deno-lint-ignore no-console -- what leak_test.ts reads
  console.log(JSON.stringify(findings));
  await backend.close();
}
