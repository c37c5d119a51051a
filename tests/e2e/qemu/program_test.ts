/**
 * The whole story with real guests: the real program, a real libvirtd, real QEMUs, the real dig.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { TestFile } from "../../store/support.ts";
import { until } from "../../until.ts";
import { type DigResult, Jitsu } from "../harness.ts";
import { BOOT_PATIENCE_MS, booted, bootId, isDown } from "./guest.ts";
import { type Guest, inSandbox, QEMU_URI, QemuRig } from "./rig.ts";

function test(
  name: string,
  guests: number,
  fn: (rig: QemuRig) => Promise<void>,
): void {
  Deno.test(name, { ignore: !inSandbox }, async () => {
    await using rig = await QemuRig.start({ guests });
    try {
      await fn(rig);
    } catch (error) {
      throw new Error(await rig.log(), { cause: error });
    }
  });
}

function start(...configs: string[]): Promise<Jitsu> {
  return Jitsu.start(
    "--backend=libvirt",
    `--connect=${QEMU_URI}`,
    "--forwarder=0.0.0.0",
    ...configs,
  );
}

/** A CONFIG that answers when the guest serves HTTP. */
function unikernel({ name, ip }: Guest, ...keys: string[]): string {
  return [
    `dns=${name}.test,ip=${ip},name=${name},wait_for_tcp=80,wait_timeout=600`,
    ...keys,
  ].join(",");
}

/** Asks for the guest with all the patience that a boot under emulation takes. */
function ask(jitsu: Jitsu, { name }: Guest): Promise<DigResult> {
  return jitsu.ask(`${name}.test`, { timeout: BOOT_PATIENCE_MS / 1000 });
}

/** Asks for the guest, which must be answered with its address, where it must be by then; resolves with its boot's id. */
async function summon(jitsu: Jitsu, guest: Guest): Promise<string> {
  const { status, answers, text } = await ask(jitsu, guest);
  assertEquals(
    [status, answers.map(({ data }) => data)],
    ["NOERROR", [guest.ip]],
    text,
  );
  return await bootId(guest);
}

const STORIES = [
  { keys: "mode=destroy", off: "shut off", again: "started", keeps: false },
  { keys: "mode=shutdown", off: "shut off", again: "started", keeps: false },
  { keys: "mode=suspend", off: "paused", again: "unpaused", keeps: true },
  {
    keys: "mode=suspend,suspend=disk",
    off: "shut off",
    again: "resumed",
    keeps: true,
  },
];

test(
  "a query starts the guest, the answer comes when it serves HTTP, idle it is stopped in its mode, and it is summoned again",
  STORIES.length,
  async (rig) => {
    await using jitsu = await start(
      ...rig.guests.map((guest, i) =>
        unikernel(guest, "ttl=8", STORIES[i].keys)
      ),
    );
    await Promise.all(STORIES.map(async (story, i) => {
      const guest = rig.guests[i];
      assert(await isDown(guest));
      const boot = await summon(jitsu, guest);

      const news = jitsu.log.length;
      await until(
        `${guest.name} is ${story.off}`,
        async () => await rig.virsh("domstate", guest.name) === story.off,
        BOOT_PATIENCE_MS,
      );
      assert(await isDown(guest), `${guest.name} answers`);
      const bootAgain = await summon(jitsu, guest);
      await jitsu.logged(
        new RegExp(`${guest.name}: ${story.again} in`),
        news,
      );
      assertEquals(bootAgain === boot, story.keeps, story.keys);
    }));
  },
);

test(
  "a guest that is destroyed behind Jitsu's back is brought back by the next query",
  1,
  async (rig) => {
    const [guest] = rig.guests;
    await using jitsu = await start(unikernel(guest));
    const boot = await summon(jitsu, guest);
    await rig.virsh("destroy", guest.name);
    await jitsu.logged(/guest0: off \(stopped \(destroyed\)\)/);
    assert(await summon(jitsu, guest) !== boot);
  },
);

test(
  "a guest that runs already is used as it is",
  1,
  async (rig) => {
    const [guest] = rig.guests;
    await rig.virsh("start", guest.name);
    const boot = await booted(guest);
    await using jitsu = await start(unikernel(guest));
    assertEquals(await summon(jitsu, guest), boot);
  },
);

test(
  "a guest that runs on after kill -9 of Jitsu is adopted without a CONFIG, and its idle clock goes on",
  1,
  async (rig) => {
    const [guest] = rig.guests;
    using file = new TestFile();
    const persistdb = `--persistdb=${file.path}`;
    const TTL = 20, KILLED_AFTER = 15_000;
    let boot: string, lastRequest: number;
    {
      await using jitsu = await start(
        persistdb,
        unikernel(guest, `ttl=${TTL}`),
      );
      boot = await summon(jitsu, guest);
      await summon(jitsu, guest); // it is ready: this is the last request that counts
      lastRequest = Date.now();
      await new Promise((resolve) => setTimeout(resolve, KILLED_AFTER));
      jitsu.kill("SIGKILL");
      await jitsu.exited();
    }
    assertEquals(await bootId(guest), boot);

    const began = Date.now();
    await using jitsu = await start(persistdb);
    await jitsu.logged(/guest0: found running/);
    await until(
      "the guest to be stopped",
      async () => await rig.virsh("domstate", guest.name) === "shut off",
      BOOT_PATIENCE_MS,
    );
    const idle = Date.now() - lastRequest, here = Date.now() - began;
    assert(idle >= 2000 * TTL - 500, `stopped after ${idle} ms`);
    assert(here < 2000 * TTL, `its idle clock began anew: ${here} ms`);
    assert(await summon(jitsu, guest) !== boot);
  },
);

test(
  "libvirtd is killed and restarted: names that are ready are answered meanwhile, others say why not, and then all goes on",
  2,
  async (rig) => {
    const [ready, cold] = rig.guests;
    await using jitsu = await start(unikernel(ready), unikernel(cold));
    const boot = await summon(jitsu, ready);

    await rig.killLibvirtd();
    await jitsu.logged(
      /the connection to libvirt at qemu:\/\/\/system is lost/,
    );
    assertEquals(await summon(jitsu, ready), boot);
    const { status, ede } = await ask(jitsu, cold);
    assertEquals(status, "SERVFAIL");
    assertMatch(
      ede.map(({ text }) => text).join(),
      /cannot connect to libvirt/,
    );

    await rig.startLibvirtd();
    await jitsu.logged(/connected to libvirt at qemu:\/\/\/system again/);
    assertEquals(await summon(jitsu, ready), boot);
    await until("guest1 is started again after a back-off", async () => {
      const { status } = await ask(jitsu, cold);
      return status === "NOERROR";
    }, BOOT_PATIENCE_MS);
    await bootId(cold);
    await rig.virsh("destroy", ready.name);
    await jitsu.logged(/guest0: off \(stopped \(destroyed\)\)/);
    assert(await summon(jitsu, ready) !== boot);
  },
);
