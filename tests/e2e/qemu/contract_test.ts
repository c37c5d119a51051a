/** The contract of backends over libvirt with real QEMU guests, each kept in memory when it is suspended. */
import { LIBVIRT } from "../../../src/backends/libvirt/description.ts";
import { type Deed, testBackend } from "../../backends/contract.ts";
import { machineConfig } from "../../backends/machine_config.ts";
import { booted } from "./guest.ts";
import { inSandbox, QEMU_URI, QemuRig } from "./rig.ts";

const DEEDS: Record<Deed, string> = {
  start: "start",
  pause: "suspend",
  resume: "resume",
  stop: "destroy",
};

testBackend({
  name: "qemu",
  description: LIBVIRT,
  connect: QEMU_URI,
  ignore: !inSandbox,
  traits: {
    suspend: "paused",
    shutdown: "heeds",
    mark: true,
    close: "goes on",
    elsewhere: { start: "told", pause: "told", resume: "told", stop: "told" },
  },
  async stage() {
    const rig = await QemuRig.start({ guests: 1 });
    const [guest] = rig.guests;
    const { name } = guest;
    const file = await Deno.makeTempFile({ suffix: ".xml" });
    const xml = await rig.virsh("dumpxml", "--inactive", name);
    const define = async (xml: string) => {
      await Deno.writeTextFile(file, xml);
      await rig.virsh("define", file);
    };
    return {
      open: () => LIBVIRT.open({ connect: QEMU_URI }),
      config: machineConfig(LIBVIRT, name, {}),
      wrong: { config: machineConfig(LIBVIRT, "nobody", {}), names: "nobody" },
      elsewhere: async (deed) => void await rig.virsh(DEEDS[deed], name),
      spoil: () =>
        define(
          xml.replace(/<kernel>.*<\/kernel>/, "<kernel>/no/kernel</kernel>"),
        ),
      mend: () => define(xml),
      heeds: async () => void await booted(guest),
      async [Symbol.asyncDispose]() {
        await Deno.remove(file);
        await rig[Symbol.asyncDispose]();
      },
    };
  },
});
