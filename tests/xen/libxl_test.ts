/**
 * What the libxl backend can do beyond what it has in common with libvirt, on a real Xen host: the real program, real
 * guests, the real dig.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
} from "@std/assert";
import { FAST_SCRIPT_PATH } from "../../src/backends/libxl/vif_script.ts";
import { run } from "../run.ts";
import { until } from "../until.ts";
import {
  linuxCommandLine,
  TINY_HVM,
  tinyConfig,
  xenstoreRead,
  xlCreate,
} from "./dom0.ts";
import { bootId, fetchText, LIBXL, linuxGuest, tinyGuest } from "./guests.ts";
import {
  answered,
  ask,
  domidOf,
  gone,
  hasKey,
  stop,
  testOn,
  visited,
  WAITS_FOR_KEY,
  WAITS_FOR_TCP,
} from "./program.ts";

const linux0 = linuxGuest(0);
const [tiny0, tiny1, tiny2] = [0, 1, 2].map(tinyGuest);

/** For how many seconds Xen has had the guest's domain. */
async function upSeconds({ name }: { name: string }): Promise<number> {
  const [, days = 0, hours, minutes, seconds] =
    /(?:(\d+) days?, +)?(\d+):(\d+):(\d+)\s*$/.exec(
      await run(["xl", "uptime", name]),
    ) ?? [];
  return Number(days) * 86400 + Number(hours) * 3600 + Number(minutes) * 60 +
    Number(seconds);
}

/** A file with that text, for the time of a test. */
class TextFile {
  readonly path: string;
  constructor(text: string) {
    this.path = Deno.makeTempFileSync();
    Deno.writeTextFileSync(this.path, text);
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.path);
  }
}

testOn(
  LIBXL,
  "a guest gets its interfaces each by its script, its disks and its rumprun configuration",
  [linux0],
  async (host) => {
    const second = "10.77.1.10";
    using data = new TextFile("data".padEnd(1024 * 1024));
    using image = new TextFile("image".padEnd(1024 * 1024));
    using rumprun = new TextFile('{"cmdline":"nginx, the server"}');
    const guest = {
      ...linux0,
      cmdline: linuxCommandLine(linux0.ip, second),
    };
    await using jitsu = await host.start(
      host.config(
        guest,
        "nic=br1",
        "mac=02:00:00:00:00:0a",
        "script=vif-bridge",
        `disk=${data.path}@xvda`,
        `disk=${image.path}@xvdb:ro`,
        `rumprun_config=${rumprun.path}`,
        ...WAITS_FOR_KEY,
      ),
    );
    await visited(jitsu, guest);
    // Both networks lead to it.
    assertEquals(await bootId({ ip: second }), await bootId(guest));
    assertEquals(
      await fetchText(`http://${guest.ip}/disks`),
      `xvda rw ${"data".padEnd(16)}\nxvdb ro ${"image".padEnd(16)}\n`,
    );
    assertEquals(
      await fetchText(`http://${guest.ip}/rumprun`),
      await Deno.readTextFile(rumprun.path),
    );
    const vif = `/local/domain/0/backend/vif/${await domidOf(guest)}`;
    assertEquals(await xenstoreRead(`${vif}/0/mac`), "02:00:00:00:00:0a");
    assertMatch(await xenstoreRead(`${vif}/0/script`) ?? "", /\/vif-fast$/);
    assertMatch(await xenstoreRead(`${vif}/1/script`) ?? "", /\/vif-bridge$/);
  },
);

testOn(LIBXL, "a PVH guest", [linux0], async (host) => {
  // Under emulation it needs this to boot.
  using extra = new TextFile('{"b_info":{"tsc_mode":"native"}}');
  await using jitsu = await host.start(
    host.config(
      linux0,
      "type=pvh",
      `extra_config=${extra.path}`,
      ...WAITS_FOR_KEY,
    ),
  );
  await visited(jitsu, linux0);
  const [{ config: { c_info } }] = JSON.parse(
    await run(["xl", "list", "-l", linux0.name]),
  );
  assertEquals(c_info.type, "pvh");
});

const hvm = {
  ...tinyGuest(0),
  kernel: TINY_HVM,
  memory: 32, // of which its video memory and its firmware have most
  script: "fast",
};

testOn(
  LIBXL,
  "an HVM guest, with the interface that its device model emulates at the bridge too; comes back from a file and hears its power button",
  [hvm],
  async (host) => {
    await using jitsu = await host.start(
      host.config(hvm, "type=hvm", "ttl=300", ...WAITS_FOR_KEY),
    );
    await answered(jitsu, hvm);
    assert(await hasKey(hvm));
    const vif = `vif${await domidOf(hvm)}.0`;
    const atBridge = Array.from(Deno.readDirSync("/sys/class/net/br0/brif"));
    assertEquals(
      atBridge.map(({ name }) => name).sort(),
      [vif, `${vif}-emu`],
    );
    await stop(jitsu, hvm, "suspend");
    await jitsu.logged(/tiny0: suspended after/);

    await answered(jitsu, hvm);
    await jitsu.logged(/tiny0: resumed in/);
    await stop(jitsu, hvm, "shutdown");
    await jitsu.logged(/tiny0: off after/);
    assertNotMatch(jitsu.log.join("\n"), /did not shut down/);
  },
);

testOn(
  LIBXL,
  "a guest that cannot be saved runs on, and that is told: where the disk is full, and where the guest does not respond",
  [linux0, tiny0],
  async (host) => {
    const folder = await Deno.makeTempDir();
    await run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "x", folder]);
    try {
      const suspend = ["ttl=4", "mode=suspend"];
      await using jitsu = await host.start(
        host.config(linux0, ...suspend, `save_dir=${folder}`, ...WAITS_FOR_KEY),
        host.config(tiny0, ...suspend, ...WAITS_FOR_KEY),
      );
      const boot = await visited(jitsu, linux0);
      await answered(jitsu, tiny0);
      const domid = await domidOf(tiny0);
      const runsOn =
        /: could not be stopped: .* it is not saved: (.*); it runs on/;
      const [, full] = await jitsu.logged(
        new RegExp(`linux0${runsOn.source}`),
      );
      assertMatch(full, /No space left on device/);
      assertEquals(await visited(jitsu, linux0), boot);
      assertEquals([...Deno.readDirSync(folder)], []);
      const [, deaf] = await jitsu.logged(new RegExp(`tiny0${runsOn.source}`));
      assertMatch(deaf, /did not respond to suspend request/);
      await answered(jitsu, tiny0);
      assertEquals(await domidOf(tiny0), domid);
    } finally {
      await run(["umount", folder]);
      await Deno.remove(folder);
    }
  },
);

testOn(
  LIBXL,
  "a guest that somebody else saves is left alone, which the answer says; one that a killed Jitsu was saving goes on",
  [linux0],
  async (host) => {
    const folder = await Deno.makeTempDir();
    const pipe = `${folder}/pipe`, saved = `${folder}/saved`;
    await run(["mkfifo", pipe]);
    /** xl save as it stands still in the middle, since nobody reads on. */
    const saving = async () => {
      const save = new Deno.Command("xl", {
        args: ["save", linux0.name, pipe],
        stdout: "null",
        stderr: "null",
      }).spawn();
      return { save, read: await Deno.open(pipe) };
    };
    await using jitsu = await host.start(
      host.config(linux0, "ttl=300", ...WAITS_FOR_TCP),
    );
    const boot = await visited(jitsu, linux0);
    const domid = await domidOf(linux0);

    const killed = await saving();
    await jitsu.logged(/linux0: paused/);
    const { status, ede } = await ask(jitsu, linux0);
    assertEquals(status, "SERVFAIL");
    assertMatch(ede[0].text, /suspended by somebody else, as xl save/);
    killed.save.kill("SIGKILL");
    await killed.save.status;
    killed.read.close();
    // As a Jitsu leaves it that was killed while it saved it.
    await run([
      ...["xenstore-write", `/local/domain/${domid}/jitsu-saving`, "4000000 1"],
    ]);
    await until(
      "it goes on",
      async () => (await ask(jitsu, linux0)).status === "NOERROR",
    );
    assertEquals(await bootId(linux0), boot);
    assertEquals(await domidOf(linux0), domid);

    const news = jitsu.log.length;
    const { save, read } = await saving();
    await jitsu.logged(/linux0: paused/, news);
    assertEquals((await ask(jitsu, linux0)).status, "SERVFAIL");
    // As fast as it can be under emulation; `read` holds the pipe open and reads nothing.
    await run(["sh", "-c", `cat ${pipe} >${saved}`]);
    read.close();
    assert((await save.status).success);
    await gone(linux0);
    await run(["xl", "restore", saved]);
    assertEquals(await visited(jitsu, linux0), boot);
    await Deno.remove(folder, { recursive: true });
  },
);

testOn(
  LIBXL,
  "a saved guest is kept where it cannot be restored for a passing reason, and restored after it; a damaged file is told, and its removal",
  [linux0],
  async (host) => {
    const folder = await Deno.makeTempDir({ prefix: "save" });
    const saved = `${folder}/${linux0.name}.save`;
    await using jitsu = await host.start(
      host.config(
        linux0,
        "mode=suspend",
        "ttl=300",
        `save_dir=${folder}`,
        ...WAITS_FOR_TCP,
      ),
    );
    const boot = await visited(jitsu, linux0);
    await stop(jitsu, linux0);

    await Deno.chmod(FAST_SCRIPT_PATH, 0o600);
    const { status, ede } = await ask(jitsu, linux0);
    await Deno.chmod(FAST_SCRIPT_PATH, 0o700);
    assertEquals(status, "SERVFAIL");
    assertMatch(ede[0].text, /could not be restored from/);
    assertMatch(
      jitsu.log.join("\n"),
      /vif-fast.*the file is whole and is kept/,
    );
    await until(
      "it comes back",
      async () => (await ask(jitsu, linux0)).status === "NOERROR",
    );
    assertEquals(await bootId(linux0), boot);

    await stop(jitsu, linux0);
    const { size } = await Deno.stat(saved);
    await Deno.truncate(saved, size - 5000);
    assertEquals((await ask(jitsu, linux0)).status, "SERVFAIL");
    await jitsu.logged(
      /the file is damaged \(it ends after \d+ bytes, which is too early\): "jitsu stop linux0 --mode destroy" removes it/,
    );
    await stop(jitsu, linux0, "destroy");
    await until(
      "it boots afresh",
      async () => (await ask(jitsu, linux0)).status === "NOERROR",
    );
    assertNotMatch(await bootId(linux0), new RegExp(boot));
    await Deno.remove(folder, { recursive: true });
  },
);

testOn(
  LIBXL,
  "a guest that reboots is answered for when it serves again, and not before",
  [linux0],
  async (host) => {
    await using jitsu = await host.start(
      host.config(linux0, "ttl=300", ...WAITS_FOR_TCP),
    );
    const boot = await visited(jitsu, linux0);
    // One that reboots sooner after its start is left off.
    await until(
      "it has lived for 10 s",
      async () => (await upSeconds(linux0)) > 12,
    );
    await run(["xl", "reboot", linux0.name]);
    await jitsu.logged(/linux0: it asked for a reboot, restarting it/);
    assertNotMatch(await visited(jitsu, linux0), new RegExp(boot));
  },
);

testOn(
  LIBXL,
  "a domain with the guest's name but another UUID is left alone, and that is told before anything is served",
  [tiny0],
  async (host) => {
    await xlCreate(tinyConfig(tiny0.name));
    const domid = await domidOf(tiny0);
    const { message } = await assertRejects(() =>
      host.start(
        host.config(tiny0, "uuid=6e696eb7-09f4-484c-981b-8d34efa0304d"),
      ), Error);
    assertMatch(
      message,
      new RegExp(
        `domain ${domid} has that name, but its UUID is .* and not 6e696eb7-`,
      ),
    );
    assertEquals(await domidOf(tiny0), domid);
  },
);

testOn(
  LIBXL,
  "a domain that was being made when Jitsu was killed with -9 is made anew by the next one",
  [tiny0],
  async (host) => {
    const config = host.config(tiny0, ...WAITS_FOR_KEY);
    await using killed = await host.start(config);
    const nobody = killed.dig(`${tiny0.name}.test`, { timeout: 1 });
    const domid = await until("a domain", () => domidOf(tiny0));
    killed.kill("SIGKILL");
    await killed.exited();
    await nobody;

    await using jitsu = await host.start(config);
    await answered(jitsu, tiny0);
    const fresh = await domidOf(tiny0);
    assert(fresh !== undefined);
    // It may have been finished before it was seen.
    const found = jitsu.log.some((line) => /found running/.test(line));
    assertEquals(fresh === domid, found);
  },
);

testOn(
  LIBXL,
  "a domain whose hotplug script hangs when Jitsu is to end is removed before it does",
  [tiny0],
  async (host) => {
    using script = new TextFile("#!/bin/sh\nsleep 100000\n");
    await Deno.chmod(script.path, 0o755);
    await using jitsu = await host.start(
      host.config({ ...tiny0, script: script.path }, ...WAITS_FOR_KEY),
    );
    const nobody = jitsu.dig(`${tiny0.name}.test`, { timeout: 1 });
    await until("a domain", () => domidOf(tiny0));
    await nobody;
    assertEquals((await jitsu.stop()).code, 0);
    assertEquals(await domidOf(tiny0), undefined);
  },
);

testOn(
  LIBXL,
  "while xenstored and xl are busy, names that are ready are answered at once, and cold ones when their guests are up",
  [tiny0, tiny1, tiny2],
  async (host) => {
    await using jitsu = await host.start(
      host.config(tiny0, ...WAITS_FOR_KEY),
      host.config(tiny1, "ttl=2", ...WAITS_FOR_KEY),
    );
    await answered(jitsu, tiny0);
    const busy = ["xenstore-ls", "xl list -l", "xenstore-write /busy 1"].map(
      (command) =>
        new Deno.Command("sh", {
          args: ["-c", `while :; do ${command}; done`],
          stdout: "null",
        }).spawn(),
    );
    try {
      for (let i = 0; i < 3; i++) {
        const news = jitsu.log.length;
        const cold = answered(jitsu, tiny1);
        let answers = 0, done = false;
        const ready = (async () => {
          while (!done) {
            await answered(jitsu, tiny0);
            answers++;
          }
        })();
        const other = xlCreate(tinyConfig(tiny2.name));
        await cold;
        await other;
        await run(["xl", "destroy", tiny2.name]);
        done = true;
        await ready;
        assert(answers > 0);
        await jitsu.logged(/tiny1: off after/, news);
      }
    } finally {
      for (const each of busy) each.kill("SIGKILL");
      await Promise.all(busy.map(({ status }) => status));
    }
  },
);

testOn(
  LIBXL,
  "a guest that is told to have a kernel that is none is SERVFAIL, in libxl's words",
  [tiny0],
  async (host) => {
    await using jitsu = await host.start(
      host.config({ ...tiny0, kernel: "/etc/passwd" }, ...WAITS_FOR_KEY),
    );
    const { status, ede } = await ask(jitsu, tiny0);
    assertEquals(status, "SERVFAIL");
    assertMatch(
      ede[0].text,
      /tiny0 could not be started: .*: no loader found: Invalid kernel/,
    );
  },
);
