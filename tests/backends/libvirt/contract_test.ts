/** The contract of backends over libvirt's test hypervisor, once for each place where it can keep a domain. */
import { LIBVIRT } from "../../../src/backends/libvirt/description.ts";
import { type Deed, testBackend } from "../contract.ts";
import { machineConfig } from "../machine_config.ts";
import { missing, TEST_URI, TestHypervisor } from "./hypervisor.ts";

const DEEDS: Record<Deed, "Create" | "Suspend" | "Resume" | "Destroy"> = {
  start: "Create",
  pause: "Suspend",
  resume: "Resume",
  stop: "Destroy",
};

for (
  const [place, suspend] of [
    ["memory", "paused"],
    ["disk", "suspended"],
  ] as const
) {
  testBackend({
    name: `libvirt, suspend=${place}`,
    description: LIBVIRT,
    connect: TEST_URI,
    ignore: missing !== undefined,
    traits: {
      suspend,
      shutdown: "heeds",
      mark: true,
      close: "goes on",
      elsewhere: { start: "told", pause: "told", resume: "told", stop: "told" },
    },
    stage() {
      // Opened first and closed last: the test hypervisor forgets everything when its last connection closes.
      const hypervisor = new TestHypervisor();
      const uuid = hypervisor.define("www");
      const config = (name: string) =>
        machineConfig(LIBVIRT, name, { suspend: place });
      return Promise.resolve({
        open: () => LIBVIRT.open({ connect: TEST_URI }),
        config: config("www"),
        wrong: { config: config("nobody"), names: "nobody" },
        elsewhere: (deed) => hypervisor.do(DEEDS[deed], "www"),
        spoil: () => hypervisor.do("Undefine", "www"),
        mend: () => void hypervisor.define("www", uuid),
        [Symbol.asyncDispose]() {
          hypervisor[Symbol.dispose]();
          return Promise.resolve();
        },
      });
    },
  });
}
