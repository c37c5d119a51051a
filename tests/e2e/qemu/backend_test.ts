import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Backend,
  BackendError,
  type Machine,
} from "../../../src/backends/backend.ts";
import { LIBVIRT } from "../../../src/backends/libvirt/description.ts";
import { collectLog } from "../../collect_log.ts";
import { openFiles } from "../../open_files.ts";
import { run } from "../../run.ts";
import { until } from "../../until.ts";
import { booted, isDown } from "./guest.ts";
import { type Guest, inSandbox, QEMU_URI, QemuRig } from "./rig.ts";

interface Setting {
  rig: QemuRig;
  guest: Guest;
  backend: Backend;
  machine: Machine;
  /** The states that the machine has told. */
  told: string[];
}

function test(
  name: string,
  keys: Record<string, string>,
  fn: (setting: Setting) => Promise<void>,
) {
  Deno.test(name, { ignore: !inSandbox }, async () => {
    await using rig = await QemuRig.start({ guests: 1 });
    const [guest] = rig.guests;
    const backend = await LIBVIRT.open({ connect: QEMU_URI });
    try {
      const machine = await backend.machine({
        name: guest.name,
        keys: new Map(
          Object.entries(keys).map(([key, value]) => [key, [value]]),
        ),
      });
      const told: string[] = [];
      machine.onStateChange = (state) => told.push(state);
      await fn({ rig, guest, backend, machine, told });
    } catch (error) {
      throw new Error(await rig.log(), { cause: error });
    } finally {
      await backend.close();
    }
  });
}

test(
  "a guest starts, is paused in memory, comes back, and shuts down when its power button is pressed",
  {},
  async ({ guest, machine, told }) => {
    assertEquals(machine.id, guest.uuid);
    assertEquals(await machine.macAddresses!(), [guest.mac]);
    assertEquals(await machine.state(), "off");
    assertEquals(await machine.domainId!(), undefined);

    assertEquals(await machine.start(), "started");
    assertEquals(await machine.state(), "running");
    assertEquals(typeof await machine.domainId!(), "number");
    const boot = await booted(guest);

    assertEquals(await machine.suspend(), "paused");
    assert(await isDown(guest), "a paused guest answers");
    assertEquals(await machine.start(), "unpaused");
    assertEquals(await booted(guest), boot);

    await machine.shutdown();
    await until("told that it went off", () => told.at(-1) === "off");
    assertEquals(await machine.state(), "off");
    assertEquals(told, ["running", "paused", "running", "off"]);
  },
);

test(
  "a guest that is suspended to disk leaves memory and comes back as it was",
  { suspend: "disk" },
  async ({ guest, machine, told }) => {
    await machine.start();
    const boot = await booted(guest);
    assertEquals(await machine.suspend(), "suspended");
    assertEquals(await machine.state(), "suspended");
    assertEquals(await machine.domainId!(), undefined);
    assert(await isDown(guest), "a saved guest answers");
    await until(
      "told that it is saved",
      () => told.at(-1) === "suspended",
    );
    assertEquals(await machine.start(), "resumed");
    assertEquals(await booted(guest), boot);
    await machine.destroy();
    assertEquals(await machine.start(), "started");
    assert(await booted(guest) !== boot, "it was not booted anew");
  },
);

test(
  "a guest that somebody destroys is told of at once, and can be started again",
  {},
  async ({ rig, guest, machine, told }) => {
    await machine.start();
    const boot = await booted(guest);
    await rig.virsh("destroy", guest.name);
    await until("told that it went off", () => told.at(-1) === "off");
    assertEquals(await machine.start(), "started");
    assert(await booted(guest) !== boot);
  },
);

test(
  "while libvirtd is down calls say so; when it is back, what happened meanwhile is told and all works again",
  {},
  async ({ rig, guest, machine, told }) => {
    await machine.start();
    const boot = await booted(guest);

    // Nothing happens to the guest.
    await rig.killLibvirtd();
    // A call on the connection of before may say that it was lost; from then on they say this.
    await until("calls say that nobody listens", async () => {
      const { message } = await assertRejects(
        () => machine.state(),
        BackendError,
      );
      return message.startsWith(
        "cannot connect to libvirt at qemu:///system: Failed to connect socket",
      );
    });
    await rig.startLibvirtd();
    await until(
      "libvirt is back",
      () => machine.state().then((state) => state === "running", () => false),
    );
    assertEquals(await booted(guest), boot);
    assertEquals(told, ["running"]);

    // The guest dies.
    const pid = await Deno.readTextFile(`/run/libvirt/qemu/${guest.name}.pid`);
    await rig.killLibvirtd();
    Deno.kill(Number(pid), "SIGKILL");
    await rig.startLibvirtd();
    await until("told that it went off", () => told.at(-1) === "off");
    assertEquals(await machine.start(), "started");
    await until("told that it runs", () => told.at(-1) === "running");
    await rig.virsh("destroy", guest.name);
    await until(
      "told that it went off again",
      () => told.at(-1) === "off",
    );
  },
);

test(
  "when the URI leads to another host nothing is done to the domain of that name there, until it leads back",
  {},
  async ({ rig, guest, machine, told }) => {
    await machine.start();
    await rig.killLibvirtd();
    await rig.startLibvirtd("elsewhere");
    await until("the other host is noticed", async () => {
      const { message } = await assertRejects(
        () => machine.destroy(),
        BackendError,
      );
      return /^libvirt at qemu:\/\/\/system is elsewhere \(UUID .*\) now and was \S+ \(UUID .*\): nothing is done/
        .test(message);
    });
    assertEquals(
      (await rig.virsh("domstate", guest.name)).trim(),
      "running",
      "it was destroyed",
    );
    assertEquals(told, ["running"]);
    await rig.killLibvirtd();
    await rig.startLibvirtd();
    await until(
      "its own host is back",
      () => machine.destroy().then(() => true, () => false),
    );
    assertEquals(await machine.state(), "off");
  },
);

test(
  "a guest that somebody is saving is left alone until that is over",
  {},
  async ({ rig, guest, machine }) => {
    const log = collectLog("backend");
    await machine.start();
    await booted(guest);
    // A save into a pipe goes on for as long as nobody reads it.
    const pipe = `/run/${crypto.randomUUID()}`;
    await run(["mkfifo", pipe]);
    using _end = await Deno.open(pipe, { read: true, write: true }); // so that no open waits
    const saving = rig.virsh("save", guest.name, pipe);
    await until(
      "it is being saved",
      async () =>
        (await rig.virsh("domstate", guest.name, "--reason")).includes(
          "paused (saving)",
        ),
    );
    let isOver = false;
    const starting = machine.start().finally(() => isOver = true);
    await until("it is said", () => log.length > 0);
    assertEquals(log, [
      "INFO guest0: it is being saved; waiting until that is over",
    ]);
    assertEquals(isOver, false);
    assertEquals(await machine.state(), "paused");
    const reader = new Deno.Command("cat", { args: [pipe], stdout: "null" })
      .spawn();
    await saving;
    assertEquals(await starting, "started"); // it is off by then
    reader.kill();
    await reader.status;
  },
);

Deno.test(
  "connections that were used, cut off in the middle of calls and closed leave no file open",
  { ignore: !inSandbox },
  async () => {
    await using rig = await QemuRig.start({ guests: 1 });
    const [{ name }] = rig.guests;
    async function round() {
      const backend = await LIBVIRT.open({ connect: QEMU_URI });
      const machine = await backend.machine({ name, keys: new Map() });
      await Promise.all(Array.from({ length: 20 }, () => machine.state()));
      const cutOff = assertRejects(() => machine.start(), BackendError);
      await rig.killLibvirtd();
      await cutOff;
      await rig.startLibvirtd();
      await until(
        "libvirt is back",
        () => machine.state().then(() => true, () => false),
      );
      await Promise.all(Array.from({ length: 20 }, () => machine.state()));
      await backend.close();
    }
    await round(); // libvirt and Deno open some files for good
    const before = openFiles();
    for (let i = 0; i < 3; i++) await round();
    assertEquals(openFiles(), before);
  },
);
