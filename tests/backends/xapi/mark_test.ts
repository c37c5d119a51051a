/** The mark that Jitsus leave on a VM for each other. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { BackendError, type Machine } from "../../../src/backends/backend.ts";
import { until } from "../../until.ts";
import { machine, open, test } from "./set_up.ts";

const MARK = "started=0123abcd;asked=0123abcd/1790000000/120";

/** Waits until a machine's mark is that. */
async function marked(machine: Machine, mark?: string): Promise<void> {
  await until(`${mark}`, async () => await machine.mark!.read() === mark);
}

test("a mark is seen by every Jitsu of the pool, in place of the one before", async ({ fake, backend }) => {
  const ref = fake.pool.addVm({ name: "www" });
  fake.pool.setOtherConfig(ref, "R&D", "stays");
  const before = fake.pool.vm(ref).other_config as Record<string, string>;
  const www = await machine(backend, "www");
  await www.start();
  assertEquals(await www.mark!.read(), undefined);
  await www.mark!.write("x".repeat(1000));
  await www.mark!.write(MARK);
  await marked(www, MARK);
  const other = await open(fake.url);
  try {
    await marked(await machine(other, "www"), MARK);
  } finally {
    await other.close();
  }
  const { "XenCenter.CustomFields.jitsu": ours, ...rest } = fake.pool.vm(ref)
    .other_config as Record<string, string>;
  assert(ours.endsWith(` ${MARK}`));
  assertEquals(rest, before);
});

test("two that write at the same time both come through", async ({ fake, backend }) => {
  fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  const other = await open(fake.url);
  try {
    const its = (await machine(other, "www")).mark!;
    for (let i = 0; i < 20; i++) {
      await Promise.all([www.mark!.write(`a=${i}`), its.write(`b=${i}`)]);
    }
    await its.write(MARK);
    await marked(www, MARK);
  } finally {
    await other.close();
  }
});

test("the mark of an earlier run is none, however that ended", async ({ fake, backend }) => {
  const ref = fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  for (
    const end of [
      () => {
        fake.pool.become(ref, "Halted");
        fake.pool.become(ref, "Running");
      },
      () => fake.pool.reboot(ref),
      // Its host was rebooted, and somebody started it as the same domain.
      () => {
        const start_time = new Date(Date.now() + 3_600_000);
        const { metrics } = fake.pool.vm(ref);
        fake.pool.db.update("VM_metrics", String(metrics), { start_time });
      },
    ]
  ) {
    await www.mark!.write(MARK);
    await marked(www, MARK);
    end();
    await marked(www, undefined);
  }
});

test("a clone of a VM is not marked, nor is one that is off", async ({ fake, backend }) => {
  const ref = fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  await www.mark!.write(MARK);
  const clone = fake.pool.addVm({ name: "clone", state: "Running" });
  const { other_config } = fake.pool.vm(ref);
  fake.pool.db.update("VM", clone, { other_config });
  assertEquals(await (await machine(backend, "clone")).mark!.read(), undefined);
  await www.destroy();
  assertEquals(await www.mark!.read(), undefined);
  await assertRejects(() => www.mark!.write(MARK), BackendError, "Halted");
});

test("a mark that cannot be written for want of a role is refused with the reason", async ({ fake, backend }) => {
  fake.pool.addVm({ name: "www", state: "Running" });
  const www = await machine(backend, "www");
  const description = [
    "RBAC_PERMISSION_DENIED",
    "vm.remove_from_other_config/key:xencenter.customfields.*",
    "No permission in user session. (Roles with this permission: vm-operator)",
  ];
  fake.fault("VM.remove_from_other_config", { kind: "error", description });
  await assertRejects(
    () => www.mark!.write(MARK),
    BackendError,
    "log in as one with the role vm-operator",
  );
});
