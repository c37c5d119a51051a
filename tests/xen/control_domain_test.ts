/**
 * Parts of the host are no guests, whatever finds them.
 *
 * @module
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  type Backend,
  BackendError,
  type MachineConfig,
} from "../../src/backends/backend.ts";
import { openLibvirt } from "../../src/backends/libvirt/backend.ts";
import { LIBVIRT as LIBVIRT_BACKEND } from "../../src/backends/libvirt/description.ts";
import { openLibxl } from "../../src/backends/libxl/backend.ts";
import { LIBXL } from "../../src/backends/libxl/description.ts";
import { machineConfig } from "../backends/machine_config.ts";
import { run } from "../run.ts";
import { domains, isDom0, TINY, tinyConfig, xlCreate } from "./dom0.ts";
import { LIBVIRT, tinyGuest } from "./guests.ts";

/** What is said where that machine is asked for. */
async function refusal(
  backend: Backend,
  config: MachineConfig,
): Promise<string> {
  const { message } = await assertRejects(
    () => backend.machine(config),
    BackendError,
  );
  return message;
}

/** A domain that libxl would make. */
const guest = (name: string) =>
  machineConfig(LIBXL, name, { kernel: TINY, memory: "4096" });

Deno.test("with libxl, dom0, driver domains and device models are left alone", {
  ignore: !isDom0,
}, async () => {
  const backend = await openLibxl();
  try {
    assertMatch(
      await refusal(backend, guest("Domain-0")),
      /domain 0 is Xen's control domain, .* neither starts nor stops/,
    );
    await xlCreate(tinyConfig("driver") + "driver_domain=1\n");
    await xlCreate(tinyConfig("model"));
    const model = (await domains()).get("model");
    await run(["xenstore-write", `/local/domain/${model}/target`, "7"]);
    assertMatch(await refusal(backend, guest("driver")), /is a driver domain/);
    assertMatch(
      await refusal(backend, guest("model")),
      new RegExp(`domain ${model} is the device model of domain 7`),
    );
    assertEquals((await domains()).has("driver"), true);
  } finally {
    await backend.close();
    for (const name of ["driver", "model"]) {
      if ((await domains()).has(name)) await run(["xl", "destroy", name]);
    }
  }
});

Deno.test("with libvirt, dom0 is left alone", { ignore: !isDom0 }, async () => {
  await using _libvirtd = await LIBVIRT.start([tinyGuest(0)]);
  const backend = await openLibvirt({ connect: "xen:///" });
  try {
    assertMatch(
      await refusal(backend, machineConfig(LIBVIRT_BACKEND, "Domain-0")),
      /domain Domain-0 is Xen's control domain/,
    );
  } finally {
    await backend.close();
  }
});
