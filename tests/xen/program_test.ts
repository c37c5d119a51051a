/**
 * The whole story on a real Xen host, once with libxl and once with libvirt's Xen driver: the real program, real guests,
 * the real dig.
 *
 * @module
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { Jitsu } from "../e2e/harness.ts";
import { run } from "../run.ts";
import { domains } from "./dom0.ts";
import {
  bootId,
  type Guest,
  LIBVIRT,
  LIBXL,
  linuxGuest,
  tinyGuest,
} from "./guests.ts";
import {
  answered,
  domidOf,
  gone,
  hasKey,
  type Host,
  testOn,
  visited,
  WAITS_FOR_KEY,
  WAITS_FOR_TCP,
} from "./program.ts";

function test(
  name: string,
  guests: Guest[],
  fn: (host: Host) => Promise<void>,
): void {
  testOn(LIBXL, `${name} (libxl)`, guests, fn);
  testOn(LIBVIRT, `${name} (libvirt)`, guests, fn);
}

const [linux0, linux1, linux2, linux3, linux4] = [0, 1, 2, 3, 4].map(
  linuxGuest,
);
const [tiny0, tiny1] = [0, 1].map(tinyGuest);

/** Long enough for a visit between an answer and the stop, on a slow machine too. */
const TTL = "ttl=8";
/** It is not idle as long as the story takes. */
const LONG_TTL = "ttl=3600";

test(
  "idle guests are stopped in their mode and come back in its way, after kill -9 of Jitsu too",
  [linux0, linux1, linux2, linux3, linux4, tiny0, tiny1],
  async (host) => {
    const suspend = ["mode=suspend", ...host.toolstack.suspendToFile];
    const isLibvirt = host.toolstack === LIBVIRT;
    const configs = [
      host.config(linux0, TTL, "mode=destroy", ...WAITS_FOR_TCP),
      host.config(linux1, TTL, "mode=shutdown", ...WAITS_FOR_TCP),
      host.config(linux2, TTL, ...suspend, ...WAITS_FOR_TCP),
      host.config(linux3, TTL, ...suspend, ...WAITS_FOR_TCP),
      host.config(tiny1, LONG_TTL, ...WAITS_FOR_KEY),
      isLibvirt
        ? host.config(linux4, TTL, "mode=suspend", ...WAITS_FOR_TCP)
        : host.config(
          tiny0,
          TTL,
          "mode=shutdown",
          "shutdown_timeout=1",
          ...WAITS_FOR_KEY,
        ),
    ];
    await using jitsu = await host.start(...configs);
    const [suspended] = await Promise.all([
      visited(jitsu, linux3),
      answered(jitsu, tiny1),
      comesBack(jitsu, linux0, "off", "started", false),
      comesBack(jitsu, linux1, "off", "started", false),
      comesBack(jitsu, linux2, "suspended", "resumed", true),
      isLibvirt
        ? comesBack(jitsu, linux4, "paused", "unpaused", true)
        : destroyedWhenDeaf(jitsu, tiny0), // libvirt asks it for a minute
    ]);
    assert(
      !jitsu.log.some((line) => /linux1: did not shut down/.test(line)),
      "linux1 did not power itself off",
    );

    await jitsu.logged(/linux3: suspended after/);
    const running = await domidOf(tiny1);
    jitsu.kill("SIGKILL");
    await jitsu.exited();
    await using next = await host.start(...configs);
    await next.logged(/tiny1: found running/);
    await next.logged(/linux3: found suspended/);
    assertEquals(await visited(next, linux3), suspended);
    await answered(next, tiny1);
    assertEquals(await domidOf(tiny1), running);
  },
);

/** A guest that does not listen to being asked to shut down is destroyed, and comes back. */
async function destroyedWhenDeaf(jitsu: Jitsu, guest: Guest): Promise<void> {
  const { name } = guest;
  await answered(jitsu, guest);
  await jitsu.logged(
    new RegExp(`${name}: did not shut down within 1\\.0+ s, destroying it`),
  );
  await jitsu.logged(new RegExp(`${name}: off after`));
  await gone(guest);
  await answered(jitsu, guest);
  assert(await hasKey(guest));
}

/** A guest is visited, stopped when it is idle, and visited again: it is the same boot then, or it is not. */
async function comesBack(
  jitsu: Jitsu,
  guest: Guest,
  stopped: string,
  again: string,
  sameBoot: boolean,
): Promise<void> {
  const { name } = guest;
  const boot = await visited(jitsu, guest);
  const news = jitsu.log.length;
  await jitsu.logged(new RegExp(`${name}: ${stopped} after`));
  if (stopped !== "paused") await gone(guest);
  assertEquals(await visited(jitsu, guest) === boot, sameBoot, name);
  await jitsu.logged(new RegExp(`${name}: ${again} in`), news);
}

const TEN = [
  linux0,
  linux1,
  ...Array.from({ length: 8 }, (_, i) => tinyGuest(i)),
];

test(
  "ten cold queries at once start ten guests, each answered when its key appears; one that is destroyed with xl comes back",
  TEN,
  async (host) => {
    await using jitsu = await host.start(
      ...TEN.map((guest) => host.config(guest, ...WAITS_FOR_KEY)),
    );
    const before = await domains();
    assert(TEN.every(({ name }) => !before.has(name)));
    await Promise.all(TEN.map(async (guest) => {
      await answered(jitsu, guest);
      assert(await hasKey(guest), `${guest.name}: the answer came too early`);
    }));
    const after = await domains();
    assert(TEN.every(({ name }) => after.has(name)));
    const boot = await bootId(linux0);
    assertNotEquals(boot, await bootId(linux1));

    const news = jitsu.log.length;
    await run(["xl", "destroy", linux0.name]);
    await jitsu.logged(/linux0: off \(/, news);
    assertNotEquals(await visited(jitsu, linux0), boot);
  },
);
