import { assertEquals, assertLess } from "@std/assert";
import { openLibxl } from "../../../src/backends/libxl/backend.ts";
import { loadLibxl } from "../../../src/backends/libxl/library.ts";
import { LIBC } from "../../../src/ffi/libc.ts";
import { openLibrary } from "../../../src/ffi/library.ts";
import { loadLibXenstore } from "../../../src/xen/libxenstore.ts";
import { gc } from "../../ffi/gc.ts";
import { openFiles } from "../../open_files.ts";
import { run } from "../../run.ts";
import { isDom0, test, TINY } from "../../xen/dom0.ts";

const DOMAINS = 200;
/** How many are made before anything is counted: contexts and caches fill up. */
const WARM_UP = 20;
/** After how many the heap is looked at: what leaks does so each time, what V8 and caches need comes now and then. */
const SPAN = 30;
/**
 * Bytes of the C heap that a domain may leave behind: less than any of the texts that are exchanged with libxl for it,
 * of which the configuration alone has 400.
 */
const BYTES_PER_DOMAIN = 256;

const libc = isDom0
  ? openLibrary(LIBC, {
    mallinfo2: { parameters: [], result: { struct: Array(10).fill("usize") } },
  }).symbols
  : undefined;
if (isDom0) {
  loadLibxl();
  loadLibXenstore();
}

/** Bytes of the C heap that are in use (`uordblks`, mallinfo2(3)). */
function heap(): number {
  gc();
  const info = new BigUint64Array(libc!.mallinfo2().buffer as ArrayBuffer);
  return Number(info[7]);
}

/** What a process or xenstore can have too much of. */
async function inventory() {
  return {
    files: openFiles(),
    userdata: [...Deno.readDirSync("/var/lib/xen")].length,
    domains: (await run(["xenstore-list", "/local/domain"])).split("\n").length,
    libxl: (await run(["xenstore-list", "/libxl"])).split("\n").length,
    vm: (await run(["xenstore-list", "/vm"])).split("\n").length,
  };
}

test(`${DOMAINS} domains leave nothing behind: no files, no memory, nothing in xenstore`, async () => {
  const backend = await openLibxl();
  try {
    const keys = { kernel: TINY, memory: "4096", on_crash: "destroy" };
    // Side by side, as the summoner does it.
    const machines = await Promise.all([1, 2, 3, 4].map((i) =>
      backend.machine({
        name: `leak${i}`,
        keys: new Map(
          Object.entries(keys).map(([key, value]) => [key, [value]]),
        ),
      })
    ));
    const cycle = (count: number) =>
      Promise.all(machines.map(async (machine) => {
        for (let i = 0; i < count; i += machines.length) {
          await machine.start();
          await machine.state();
          await machine.macAddresses();
          await machine.destroy();
        }
      }));
    await cycle(WARM_UP);
    const before = await inventory();
    const grown: number[] = [];
    for (let i = WARM_UP; i < DOMAINS; i += SPAN) {
      const heapBefore = heap();
      await cycle(SPAN);
      grown.push((heap() - heapBefore) / SPAN);
    }
    assertEquals(await inventory(), before);
    assertLess(Math.min(...grown), BYTES_PER_DOMAIN, `${grown}`);
  } finally {
    await backend.close();
  }
});
