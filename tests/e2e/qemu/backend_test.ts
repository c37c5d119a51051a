import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
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
import { machineConfig } from "../../backends/machine_config.ts";

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
      const machine = await backend.machine(
        machineConfig(LIBVIRT, guest.name, keys),
      );
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
    await machine.mark!.write("started=0f");
    assertEquals(await machine.mark!.read(), "started=0f");
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
    assertEquals(await machine.mark!.read(), undefined, "of an earlier run");
    assertEquals(await booted(guest), boot);
    await machine.destroy();
    assertEquals(await machine.start(), "started");
    assert(await booted(guest) !== boot, "it was not booted anew");
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

test(
  "a guest that is reset, or off for a moment only, is told to boot anew, and not when it is started by the machine itself",
  {},
  async ({ rig, guest, machine, told }) => {
    const reboots: string[] = [];
    machine.onReboot = (reason) => reboots.push(reason);
    const xml = await rig.virsh("dumpxml", "--inactive", guest.name);
    const file = await Deno.makeTempFile({ suffix: ".xml" });
    await Deno.writeTextFile(
      file,
      xml.replace(/(<on_reboot>)destroy/, "$1restart"),
    );
    await rig.virsh("define", file);
    await machine.start();
    const boot = await booted(guest);
    await machine.destroy();
    await machine.start();
    await until("told of all that", () => told.length === 3);
    assertEquals(reboots, []);
    const again = await booted(guest);
    assertNotEquals(again, boot);
    await rig.virsh("reset", guest.name);
    await until("told that it boots anew", () => reboots.length === 1);
    assertEquals(await machine.state(), "running");
    await rig.virsh("destroy", guest.name);
    await rig.virsh("start", guest.name);
    await until("told that it is another boot", () => reboots.length === 2);
    assertEquals(reboots, ["rebooted", "started (booted)"]);
  },
);

for (const restoreFails of ["keep", "boot"]) {
  test(
    `a managed save that cannot be restored, with restore_fails=${restoreFails}`,
    { suspend: "disk", restore_fails: restoreFails },
    async ({ guest, machine }) => {
      const log = collectLog("backend");
      await machine.start();
      await machine.suspend();
      const file = `/var/lib/libvirt/qemu/save/${guest.name}.save`;
      await run(["truncate", "--size=-100K", file]);
      if (restoreFails === "keep") {
        const { message } = await assertRejects(
          () => machine.start(),
          BackendError,
        );
        assertMatch(
          message,
          /^cannot restore guest0: .*; `jitsu stop guest0 --mode destroy` drops what was saved, and it boots afresh then /,
        );
        assertEquals(await machine.state(), "suspended", "it was dropped");
        await machine.destroy();
        assertEquals(await machine.start(), "started");
      } else {
        assertEquals(await machine.start(), "started");
        assertMatch(
          log.join(),
          /^WARN(ING)? guest0: its managed save cannot be restored \(.*\); it is dropped, as restore_fails=boot says$/,
        );
      }
      assertEquals(await machine.state(), "running");
    },
  );
}

test(
  "while libvirtd hangs other connections go on, and what was begun is done when it is back",
  {},
  async ({ rig, machine }) => {
    const other = await LIBVIRT.open({ connect: "test:///default" });
    try {
      rig.signalLibvirtd("SIGSTOP");
      let isOver = false;
      const starting = machine.start().finally(() => isOver = true);
      // As many calls as a backend makes at once, and some more.
      const states = Array.from({ length: 20 }, () => machine.state());
      const there = await other.machine(machineConfig(LIBVIRT, "test"));
      assertEquals(await there.state(), "running");
      // The threads of file I/O and look-ups of names are not all taken.
      await Deno.readTextFile("/proc/self/stat");
      assertEquals(isOver, false);
      rig.signalLibvirtd("SIGCONT");
      assertEquals(await starting, "started");
      await Promise.all(states);
    } finally {
      rig.signalLibvirtd("SIGCONT");
      await other.close();
    }
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
      const machine = await backend.machine(machineConfig(LIBVIRT, name));
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
