/** The contract of backends over the VMs of a fake pool. */
import { XAPI } from "../../../src/backends/xapi/description.ts";
import { collectLog } from "../../collect_log.ts";
import { type Deed, testBackend } from "../contract.ts";
import { machineConfig } from "../machine_config.ts";
import type { PowerState } from "./fake/pool.ts";
import { FakeXapi } from "./fake/server.ts";
import { open } from "./set_up.ts";

const STATES: Record<Deed, PowerState> = {
  start: "Running",
  pause: "Paused",
  resume: "Running",
  stop: "Halted",
};

testBackend({
  name: "xapi",
  description: XAPI,
  connect: "https://pool.test/",
  traits: {
    suspend: "suspended",
    shutdown: "heeds",
    mark: true,
    close: "goes on",
    elsewhere: { start: "told", pause: "told", resume: "told", stop: "told" },
  },
  async stage() {
    collectLog("backend");
    const fake = await FakeXapi.start();
    fake.pool.taskTime = 20;
    const ref = fake.pool.addVm({ name: "www", macs: ["0A:00:00:00:00:01"] });
    return {
      open: () => open(fake.url),
      config: machineConfig(XAPI, "www", {}),
      wrong: { config: machineConfig(XAPI, "nobody", {}), names: "nobody" },
      elsewhere: (deed) => fake.pool.become(ref, STATES[deed]),
      spoil: () => fake.pool.failNext("start", "NO_HOSTS_AVAILABLE"),
      mend() {}, // it was the next one only
      [Symbol.asyncDispose]: () => fake.close(),
    };
  },
});
