import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import { openLibxl } from "../../../src/backends/libxl/backend.ts";
import { Context } from "../../../src/backends/libxl/context.ts";
import {
  configurationOf,
  createDomain,
  destroyDomain,
  type DomainConfig,
  domainInfo,
  domidOf,
} from "../../../src/backends/libxl/domains.ts";
import { LibxlError } from "../../../src/backends/libxl/errors.ts";
import { loadLibxl } from "../../../src/backends/libxl/library.ts";
import { isDom0, test, TINY } from "../../xen/dom0.ts";

// Not by the first test that needs it: what a test loads, it has to unload.
if (isDom0) loadLibxl();

/** A configuration as libxl has it. */
function tiny(name: string, more: object = {}, kernel = TINY): DomainConfig {
  return {
    c_info: { type: "pv", name },
    b_info: {
      kernel,
      max_memkb: 4096,
      target_memkb: 4096,
      "type.pv": {},
    },
    ...more,
  } as DomainConfig;
}

async function withContext(
  use: (context: Context) => Promise<void>,
): Promise<void> {
  const context = await Context.open();
  try {
    await use(context);
  } finally {
    await context.close();
  }
}

test("what libxl is told in JSON is what it makes and tells", () =>
  withContext(async (context) => {
    const domid = await createDomain(context, tiny("context"));
    assertEquals(await domidOf(context, "context"), domid);
    const info = await domainInfo(context, domid);
    assert(info?.paused && !info.shutdown && !info.dying);
    const { c_info, b_info } = await configurationOf(context, domid) as
      & DomainConfig
      & { b_info: { kernel: string } };
    assertEquals(c_info, { type: "pv", name: "context" } as typeof c_info);
    assertEquals(b_info.kernel, TINY);
    await destroyDomain(context, domid);
    assertEquals(await domidOf(context, "context"), undefined);
    assertEquals(await domainInfo(context, domid), undefined);
  }));

test("calls that fail say why in libxl's own words, each on its own context", () =>
  withContext(async (one) => {
    const other = await Context.open();
    const bridge = { devid: 0, bridge: "br7" };
    const failures = await Promise.all([
      assertRejects(
        () => createDomain(one, tiny("one", { nics: [bridge] })),
        LibxlError,
      ),
      assertRejects(
        () => createDomain(other, tiny("other", {}, "/nope")),
        LibxlError,
      ),
    ]);
    await other.close();
    assertMatch(failures[0].message, /br7/);
    assertMatch(failures[1].message, /\/nope/);
    assert(!failures[0].message.includes("/nope"));
    await assertRejects(() => destroyDomain(one, 32000), LibxlError);
  }));

test("Deno's own children are not lost while libxl has children", () =>
  withContext(async (context) => {
    let over = false;
    const nic = { devid: 0, bridge: "br0" };
    const work = createDomain(context, tiny("children", { nics: [nic] }))
      .then((domid) => destroyDomain(context, domid))
      .finally(() => over = true);
    let children = 0;
    while (!over) {
      const { code } = await new Deno.Command("/bin/sh", {
        args: ["-c", "exit 7"],
      }).output();
      assertEquals(code, 7);
      children++;
    }
    await work;
    assert(children > 0);
  }));

test("where SIGCHLD is handled already, that is told and the process goes on", async () => {
  const program = `
    import { Context } from "${
    import.meta.resolve("../../../src/backends/libxl/context.ts")
  }";
    Deno.addSignalListener("SIGCHLD", () => {});
    await Context.open().catch((error) => console.log(error.message));
    Deno.exit(5);`;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    cwd: new URL("../../..", import.meta.url),
  }).output();
  assertEquals(
    new TextDecoder().decode(stdout),
    "libxl cannot be used here: this process handles SIGCHLD already, which libxl needs for itself\n",
  );
  assertEquals(code, 5);
});

Deno.test({
  name: "without libxl, the error says what was tried and what to install",
  ignore: isDom0,
  fn: async () => {
    const error = await assertRejects(() => openLibxl(), BackendError);
    assertMatch(
      error.message,
      /^cannot open the libxenlight library; tried .*\/libxenlight\.so\.4.*; install it with apt-get install xen-utils|^libxl cannot be used: /,
    );
  },
});
