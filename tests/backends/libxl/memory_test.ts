import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import { openLibxl } from "../../../src/backends/libxl/backend.ts";
import { loadLibxl } from "../../../src/backends/libxl/library.ts";
import { autoballoons } from "../../../src/backends/libxl/memory.ts";
import { loadLibXenstore } from "../../../src/xen/libxenstore.ts";
import { run } from "../../run.ts";
import { until } from "../../until.ts";
import { isDom0, test, TINY } from "../../xen/dom0.ts";
import { LIBXL } from "../../../src/backends/libxl/description.ts";
import { machineConfig } from "../machine_config.ts";

if (isDom0) {
  loadLibxl();
  loadLibXenstore();
}

for (
  const [xlConf, commandLine, balloons] of [
    ["", "", true],
    ["", "console=com1 dom0_mem=1024M,max:1024M", false],
    ["", "dom0_mem=max:2g", false],
    ["", "no_dom0_mem=1G", true],
    ["", "dom0_mem=50%", true], // as xl takes it
    ['#autoballoon="off"\n', "", true],
    ['autoballoon="auto"', "dom0_mem=1G", false],
    ['lockfile="x"\n autoballoon = "on" # always\n', "dom0_mem=1G", true],
    ["autoballoon=1", "dom0_mem=1G", true],
    ["autoballoon='off'", "", false],
    ["autoballoon=0", "", false],
  ] as const
) {
  Deno.test(`dom0 ${balloons ? "gives" : "does not give"} memory back with ${JSON.stringify(xlConf)} in xl.conf and Xen's command line ${JSON.stringify(commandLine)}`, () => {
    assertEquals(autoballoons(xlConf, commandLine), balloons);
  });
}

const XL_CONF = "/etc/xen/xl.conf";

/** Sizes in MiB. */
async function memory(): Promise<{ free: number; dom0: number }> {
  const [, free] = /^free_memory\s*:\s*(\d+)/m.exec(await run(["xl", "info"]))!;
  const [, dom0] = /^Domain-0\s+0\s+(\d+)/m.exec(await run(["xl", "list"]))!;
  return { free: Number(free), dom0: Number(dom0) };
}

test("dom0 gives back what a guest lacks, or the error says what is missing and why it does not", async () => {
  const xlConf = await Deno.readTextFile(XL_CONF);
  const before = await memory();
  const backend = await openLibxl();
  try {
    const machine = await backend.machine(
      machineConfig(LIBXL, "large", {
        kernel: TINY,
        memory: `${before.free + 64}MiB`,
      }),
    );
    const { message } = await assertRejects(
      () => machine.start(),
      BackendError,
    );
    assertMatch(
      message,
      /it needs \d+ MiB of memory, Xen has \d+ MiB free, and dom0, which has \d+ MiB, gives no more back, since \/etc\/xen\/xl.conf or dom0_mem= says so: stop other domains/,
    );

    await Deno.writeTextFile(XL_CONF, 'autoballoon="on"\n');
    assertEquals(await machine.start(), "started");
    const { dom0 } = await memory();
    assertEquals(dom0 < before.dom0, true, `${dom0}`);
    await machine.destroy();
    machine.release?.();

    const larger = await backend.machine(
      machineConfig(LIBXL, "larger", { kernel: TINY, memory: "64GiB" }),
    );
    const error = await assertRejects(() => larger.start(), BackendError);
    assertMatch(error.message, /gives no more back \(.*\): stop other domains/);
  } finally {
    await backend.close();
    await Deno.writeTextFile(XL_CONF, xlConf);
    await run(["xl", "mem-set", "0", `${before.dom0}m`]);
    await until(
      "dom0 has its memory again",
      async () => (await memory()).dom0 >= before.dom0 - 1,
    );
  }
});
