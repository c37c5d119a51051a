/**
 * `--catch` with real guests: whoever visits one while it boots gets its page.
 *
 * @module
 */
import { assert, assertLess, assertMatch } from "@std/assert";
import { BRIDGE, inSandbox, QEMU_URI, QemuRig } from "./rig.ts";
import { run } from "../../run.ts";
import {
  forgetGuest,
  listening,
  neighbour,
  startForVisits,
  useNameServer,
  visit,
} from "./visit.ts";

function test(
  name: string,
  fn: (rig: QemuRig) => Promise<void>,
): void {
  Deno.test(name, { ignore: !inSandbox }, async () => {
    await using rig = await QemuRig.start({ guests: 1 });
    try {
      await fn(rig);
    } catch (error) {
      throw new Error(await rig.log(), { cause: error });
    }
  });
}

test(
  "with --catch an early answer loses no visit to a guest that boots, over IPv4 and IPv6, from its host and beside it",
  async ({ guests: [guest] }) => {
    await useNameServer();
    await using other = await neighbour();
    await using jitsu = await startForVisits(
      guest,
      "--answer=early",
      `--catch=${BRIDGE}`,
    );
    for (let round = 0; round < 2; round++) {
      const floor = listening(guest);
      const visits = await Promise.all([
        visit(guest, 4, other.run),
        visit(guest, 6, other.run),
        visit(guest, 4),
        visit(guest, 6),
      ]);
      const listened = await floor;
      for (const { answered, firstByte, error } of visits) {
        assert(firstByte !== undefined, error);
        assertLess(answered, listened, "answered late");
      }
      await jitsu.logged(/catch: guest0: sent it \d+ first packets/);
      // Nobody was told wrong: the guest is at its own port, for the bridge too.
      assertMatch((await portsOf(guest.mac)).join(), /^vnet\d+$/);
      if (round === 0) await forgetGuest(jitsu, guest, [other]);
    }
  },
);

test(
  "with --catch a guest that is the only port of a bridge, which takes its MAC address from it, is ready as soon as it listens",
  async ({ guests: [guest] }) => {
    await useNameServer();
    await using jitsu = await startForVisits(guest, `--catch=${BRIDGE}`);
    for (let round = 0; round < 2; round++) {
      const floor = listening(guest);
      const { answered, firstByte, error } = await visit(guest, 4);
      const listened = await floor;
      assert(firstByte !== undefined, error);
      // One that knows the bridge at another MAC address goes on sending there for 8 s.
      assertLess(answered - listened, 4_000, "answered late");
      if (round === 0) await forgetGuest(jitsu, guest, []);
    }
  },
);

test(
  "whoever has the guest's address already ends it, with a warning",
  async ({ guests: [guest] }) => {
    await using owner = await neighbour();
    await owner.run("ip", "address", "add", `${guest.ip}/24`, "dev", "eth0");
    await using jitsu = await startForVisits(
      guest,
      "--answer=early",
      `--catch=${BRIDGE}`,
    );
    await jitsu.dig(`${guest.name}.test`);
    await jitsu.logged(/WARN +catch: guest0: somebody else has its address/);
    await run(["virsh", "-q", "-c", QEMU_URI, "destroy", guest.name]);
  },
);

/** The ports of the bridge where a MAC address was learned. */
async function portsOf(mac: string): Promise<string[]> {
  const entries = await run(["bridge", "fdb", "show", "br", BRIDGE]);
  return entries.split("\n").filter((line) => line.startsWith(`${mac} `))
    .map((line) => line.split(" ")[2]);
}
