import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type Backend,
  BackendError,
  type Machine,
  type MachineState,
} from "../../../src/backends/backend.ts";
import { openLibxl } from "../../../src/backends/libxl/backend.ts";
import { Context } from "../../../src/backends/libxl/context.ts";
import {
  createDomain,
  destroyDomain,
  type DomainConfig,
} from "../../../src/backends/libxl/domains.ts";
import { uuidOf } from "../../../src/backends/libxl/guest.ts";
import { loadLibxl } from "../../../src/backends/libxl/library.ts";
import { loadLibXenstore } from "../../../src/xen/libxenstore.ts";
import { collectLog } from "../../collect_log.ts";
import { run } from "../../run.ts";
import { until } from "../../until.ts";
import {
  domains,
  isDom0,
  test,
  TINY,
  tinyConfig,
  xenstoreRead,
  xlCreate,
} from "../../xen/dom0.ts";
import { LIBXL } from "../../../src/backends/libxl/description.ts";
import { machineConfig } from "../machine_config.ts";

// Not by the first test that needs them: what a test loads, it has to unload.
if (isDom0) {
  loadLibxl();
  loadLibXenstore();
}

/** A machine of tiny guests and what it has told. */
interface Subject {
  backend: Backend;
  machine: Machine;
  /** Each change of state with its reason. */
  told: [MachineState, string][];
}

/** A backend with one machine whose guest does what `cmdline` says; its domain is gone after the test. */
async function withTiny(
  cmdline: string,
  use: (subject: Subject) => Promise<void>,
  more: Record<string, string> = {},
): Promise<void> {
  const log = collectLog("backend");
  const backend = await openLibxl();
  try {
    const machine = await backend.machine(
      machineConfig(LIBXL, "tiny", {
        kernel: TINY,
        memory: "4096",
        cmdline,
        ...more,
      }),
    );
    const told: Subject["told"] = [];
    machine.onStateChange = (...change) => told.push(change);
    await use({ backend, machine, told });
    await machine.destroy();
  } catch (error) {
    throw new Error(log.join("\n"), { cause: error });
  } finally {
    await backend.close();
    const left = (await domains()).get("tiny");
    if (left !== undefined) await run(["xl", "destroy", String(left)]);
  }
}

/** Waits until it was told that the machine is off, and that its domain has been removed. */
async function goneFor({ told }: Subject, reason: RegExp): Promise<void> {
  const [state, why] = await until("the news", () => told.at(-1));
  assertEquals(state, "off");
  assertMatch(why, reason);
  await until("the end", async () => !(await domains()).has("tiny"));
}

test("a domain is made, found running, found by its name, and destroyed", () =>
  withTiny("k", async ({ machine, told }) => {
    assertEquals(machine.id, uuidOf("tiny"));
    assertEquals(await machine.state(), "off");
    assertEquals(await machine.domainId!(), undefined);
    assertEquals(await machine.start(), "started");
    assertEquals(await machine.start(), "found running");
    assertEquals(await machine.state(), "running");
    const domid = await machine.domainId!();
    assertEquals((await domains()).get("tiny"), domid);
    assertEquals(
      await xenstoreRead(`/local/domain/${domid}/vm`),
      `/vm/${uuidOf("tiny")}`,
    );
    await machine.destroy();
    assertEquals(await machine.state(), "off");
    assertEquals((await domains()).has("tiny"), false);
    assertEquals(
      await xenstoreRead(`/local/domain/${domid}/name`),
      undefined,
    );
    await machine.destroy();
    assertEquals(told.map(([state]) => state), ["running", "off"]);
  }));

test("a domain that somebody destroys is missed at once", () =>
  withTiny("", async (subject) => {
    await subject.machine.start();
    subject.told.length = 0;
    await run(["xl", "destroy", "tiny"]);
    await goneFor(subject, /^somebody destroyed it$/);
    assertEquals(await subject.machine.start(), "started");
  }));

test("a start at the moment when somebody destroys the domain leaves one running", () =>
  withTiny("", async ({ machine }) => {
    await machine.start();
    const destroyed = run(["xl", "destroy", "tiny"]);
    // Whatever comes first: the domain is found running, is in the way, or is gone.
    await machine.start().catch(() => {});
    await destroyed;
    await machine.start();
    assertEquals(await machine.state(), "running");
  }));

test("a guest that crashes is seen at once, and its domain is removed", () =>
  withTiny("c", async (subject) => {
    await subject.machine.start();
    subject.told.splice(0, 1);
    await goneFor(subject, /^it crashed$/);
  }));

test("a guest that powers itself off is seen at once, and its domain is removed", () =>
  withTiny("p", async (subject) => {
    await subject.machine.start();
    subject.told.splice(0, 1);
    await goneFor(subject, /^it powered itself off$/);
  }));

test("a guest that does not care is asked to shut down, and not waited for", () =>
  withTiny("", async ({ machine }) => {
    await machine.start();
    await machine.shutdown();
    const domid = await machine.domainId!();
    assertEquals(
      await xenstoreRead(`/local/domain/${domid}/control/shutdown`),
      "poweroff",
    );
    assertEquals(await machine.state(), "running");
  }));

test("a guest that asks for a reboot again and again is left off", () =>
  withTiny("r", async (subject) => {
    await subject.machine.start();
    subject.told.splice(0, 1);
    await goneFor(
      subject,
      /^it asked for a reboot, \d+\.\d s after it was started$/,
    );
  }));

test("a crashed domain is preserved where that is wanted, and in the way until it is removed", () =>
  withTiny("c", async ({ machine, told }) => {
    await machine.start();
    await until("the news", () => told.at(-1)?.[0] === "off");
    const domid = (await domains()).get("tiny");
    assert(domid !== undefined);
    const error = await assertRejects(() => machine.start(), BackendError);
    assertMatch(
      error.message,
      new RegExp(`remove it with "xl destroy ${domid}"`),
    );
    await run(["xl", "destroy", "tiny"]);
    assertEquals(await machine.start(), "started");
  }, { on_crash: "preserve" }));

test("another daemon adopts the domain, and removes one that was made only partly", () =>
  withTiny("", async ({ machine }) => {
    await machine.start();
    const domid = await machine.domainId!();
    const config = machineConfig(LIBXL, "tiny", {
      kernel: TINY,
      memory: "4096",
    });
    const second = await openLibxl();
    const adopted = await second.machine(config);
    assertEquals(await adopted.state(), "running");
    assertEquals(await adopted.domainId!(), domid);
    await second.close();
    assertEquals(await machine.state(), "running");

    // As a daemon leaves it that is killed in the middle.
    await run(["xl", "pause", "tiny"]);
    const mark = `/local/domain/${domid}/jitsu`;
    await run(["xenstore-write", mark, "creating this"]);
    await run(["xenstore-write", "/tool/jitsu/creating/this", "4000000 1"]);
    const third = await openLibxl();
    const fresh = await third.machine(config);
    assertEquals(await fresh.state(), "off");
    assertEquals((await domains()).has("tiny"), false);
    assertEquals(
      await xenstoreRead("/tool/jitsu/creating/this"),
      undefined,
    );
    await third.close();
  }));

test("a domain that somebody else has restored, paused, is not taken for one that was made only partly", () =>
  withTiny("", async ({ machine }) => {
    await machine.start();
    const domid = await machine.domainId!();
    // What xl(1) restores has the mark with which it was made.
    await run(["xl", "pause", "tiny"]);
    const mark = `/local/domain/${domid}/jitsu`;
    await run(["xenstore-write", mark, "creating that"]);
    assertEquals(await machine.state(), "paused");
    assertEquals(await machine.start(), "unpaused");
    assertEquals(await machine.domainId!(), domid);
  }));

test("a domain that somebody renamed is found by its UUID, and no second one is made", () =>
  withTiny("", async ({ machine }) => {
    await machine.start();
    const domid = await machine.domainId!();
    await run(["xl", "rename", "tiny", "other"]);
    const second = await openLibxl();
    try {
      const found = await second.machine(
        machineConfig(LIBXL, "tiny", { kernel: TINY, memory: "4096" }),
      );
      assertEquals(await found.state(), "running");
      assertEquals(await found.start(), "found running");
      assertEquals(await found.domainId!(), domid);
      await found.destroy();
      assertEquals((await domains()).has("other"), false);
    } finally {
      await second.close();
    }
  }));

test("a mark is what every Jitsu reads while the domain is there, and none is left for the next one", () =>
  withTiny("", async ({ machine }) => {
    const { mark } = machine;
    assertEquals(await mark!.read(), undefined);
    await assertRejects(
      () => mark!.write("a"),
      BackendError,
      "cannot mark tiny: it does not run",
    );
    await machine.start();
    assertEquals(await mark!.read(), undefined);
    const text = "id=a+b/c:1;at=5".padEnd(1000, "x");
    await mark!.write("first");
    await mark!.write(text);
    const second = await openLibxl();
    const same = await second.machine(
      machineConfig(LIBXL, "tiny", { kernel: TINY, memory: "4096" }),
    );
    assertEquals(await same.mark!.read(), text);
    await second.close();
    await machine.destroy();
    await machine.start();
    assertEquals(await mark!.read(), undefined);
  }));

test("a domain with the id of one that is gone is not taken for it", () =>
  withTiny("", async ({ machine }) => {
    await machine.start();
    const domid = await machine.domainId!();
    await run(["xl", "destroy", "tiny"]);
    // libxl gives an id out again when it was not in use for so many seconds.
    Deno.env.set("LIBXL_DOMID_REUSE_TIMEOUT", "0");
    const context = await Context.open();
    try {
      const other = {
        c_info: { type: "pv", name: "other", domid },
        b_info: { kernel: TINY, max_memkb: 4096, "type.pv": {} },
      } as DomainConfig;
      await until(
        "the id can be used again",
        () =>
          createDomain(context, other).catch((error) => {
            if (!/recently used/.test(error.message)) throw error;
          }),
      );
      assertEquals((await domains()).get("other"), domid);
      assertEquals(await machine.state(), "off");
      await machine.destroy();
      assertEquals((await domains()).get("other"), domid);
      await destroyDomain(context, domid!);
    } finally {
      Deno.env.delete("LIBXL_DOMID_REUSE_TIMEOUT");
      await context.close();
    }
  }));

test("a domain that xl migrates is left alone, and is told to be in its hands", () =>
  withTiny("", async ({ machine }) => {
    await machine.start();
    const domid = await machine.domainId!();
    // As xl migrate-receive has it until the other side lets it go.
    await run(["xl", "pause", "tiny"]);
    await run(["xl", "rename", "tiny", "tiny--incoming"]);
    for (const call of ["start", "destroy"] as const) {
      const { message } = await assertRejects(
        () => machine[call](),
        BackendError,
      );
      assertMatch(
        message,
        new RegExp(`domain ${domid} is being made, restored or received by`),
      );
    }
    assertEquals((await domains()).get("tiny--incoming"), domid);
    await run(["xl", "rename", "tiny--incoming", "tiny"]);
    assertEquals(await machine.start(), "unpaused");
  }));

test("a domain that somebody else made is adopted, paused or running", () =>
  withTiny("", async ({ machine, told }) => {
    await xlCreate(tinyConfig("tiny"), "-p");
    await until("the news", () => told.at(-1)?.[0] === "paused");
    const domid = (await domains()).get("tiny");
    assertEquals(await machine.domainId!(), domid);
    assertEquals(await machine.start(), "unpaused");
    assertEquals(await machine.state(), "running");
    assertEquals(await machine.domainId!(), domid);
    await machine.destroy();
    assertEquals((await domains()).has("tiny"), false);
  }));

test("a domain of that name with another UUID than was given is not touched", () =>
  withTiny("", async ({ machine }) => {
    await xlCreate(tinyConfig("tiny"));
    const domid = (await domains()).get("tiny");
    for (const call of ["start", "destroy"] as const) {
      const error = await assertRejects(() => machine[call](), BackendError);
      assertMatch(
        error.message,
        new RegExp(
          `domain ${domid} has that name, but its UUID is .* and not 6e696eb7-`,
        ),
      );
    }
    assertEquals((await domains()).get("tiny"), domid);
    await run(["xl", "destroy", "tiny"]);
  }, { uuid: "6E696EB7-09f4-484c-981b-8d34efa0304d" }));

test("a network interface has the same MAC address at each start, in xenstore and as it is told", () =>
  withTiny("", async ({ machine }) => {
    const macs: (string | undefined)[] = [];
    const configured = await machine.macAddresses!();
    for (let i = 0; i < 2; i++) {
      await machine.start();
      const path = `/local/domain/${await machine
        .domainId!()}/device/vif/0/mac`;
      macs.push(await xenstoreRead(path));
      assertEquals(await machine.macAddresses!(), configured);
      await machine.destroy();
    }
    assertEquals(macs, [configured[0], configured[0]]);
  }, { nic: "br0", script: "fast" }));

test("a bridge that is not there is what the error says, with the fast script too", async () => {
  for (const script of ["vif-bridge", "fast"]) {
    await withTiny("", async ({ machine }) => {
      const error = await assertRejects(() => machine.start(), BackendError);
      assertMatch(error.message, /^cannot start tiny: .*br7/);
      assertEquals(await machine.state(), "off");
      assertEquals((await domains()).has("tiny"), false);
    }, { nic: "br7", script });
  }
});

/** A hotplug script that never ends. */
async function hangingScript(): Promise<string> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "#!/bin/sh\nsleep 1000000\n");
  await Deno.chmod(path, 0o755);
  return path;
}

/** Whether what such a script waits for still runs. */
async function isHanging(): Promise<boolean> {
  return (await run(["ps", "-eo", "args"])).includes("sleep 1000000");
}

test("a hotplug script that hangs is killed, is what the error says, and leaves nothing", async () => {
  const script = await hangingScript();
  await withTiny("", async ({ machine }) => {
    const began = performance.now();
    const { message } = await assertRejects(
      () => machine.start(),
      BackendError,
    );
    assertStringIncludes(
      message,
      `the hotplug script ${script} did not come to its end within 2 s and was killed (script_timeout): `,
    );
    assertLess(performance.now() - began, 40_000); // libxl's own limit, of which there would be two
    assertEquals((await domains()).has("tiny"), false);
    assertEquals(await isHanging(), false);
  }, { nic: "br0", script, script_timeout: "2" });
  await Deno.remove(script);
});

test("where a hotplug script hangs as the backend closes, the domain that is being made is removed first", async () => {
  const script = await hangingScript();
  const backend = await openLibxl();
  const machine = await backend.machine(
    machineConfig(LIBXL, "tiny", {
      kernel: TINY,
      memory: "4096",
      nic: "br0",
      script,
    }),
  );
  const start = machine.start();
  start.catch(() => {});
  await until("it hangs", isHanging);
  const began = performance.now();
  await backend.close();
  assertLess(performance.now() - began, 20_000); // script_timeout
  await assertRejects(() => start, BackendError, "script_timeout");
  assertEquals((await domains()).has("tiny"), false);
  assertEquals(await isHanging(), false);
  await Deno.remove(script);
});

test("more memory than there is, is an error that leaves nothing", () =>
  withTiny("", async ({ machine }) => {
    await assertRejects(
      () => machine.start(),
      BackendError,
      "cannot start tiny",
    );
    assertEquals((await domains()).has("tiny"), false);
  }, { memory: "64GiB" }));

test("another description counts from the next start on", () =>
  withTiny("k", async ({ backend, machine }) => {
    await machine.start();
    const domid = await machine.domainId!();
    const again = await backend.machine(
      machineConfig(LIBXL, "tiny", {
        kernel: TINY,
        memory: "8MiB",
        rumprun_config: new URL(import.meta.url).pathname.replace(
          "machine_test.ts",
          "rumprun.json",
        ),
      }),
    );
    assertEquals(again, machine);
    assertEquals(await machine.domainId!(), domid);
    await machine.destroy();
    await machine.start();
    const fresh = await machine.domainId!();
    assertNotEquals(fresh, domid);
    assertEquals(
      await xenstoreRead(`/local/domain/${fresh}/memory/static-max`),
      "8192",
    );
    assertMatch(
      await xenstoreRead(`/local/domain/${fresh}/rumprun/cfg`) ?? "",
      /"cmdline"/,
    );
  }));
