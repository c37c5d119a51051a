import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import {
  LIBXL,
  type LibxlKeys,
} from "../../../src/backends/libxl/description.ts";
import { domainConfig } from "../../../src/backends/libxl/domain_config.ts";
import { macOf, readGuest, uuidOf } from "../../../src/backends/libxl/guest.ts";
import { readMac } from "../../../src/backends/libxl/values.ts";
import { machineConfig } from "../machine_config.ts";

/** Reads a guest called www from `key=value` words. */
function guest(words: string[], uuid?: string) {
  const keys: Record<string, string[]> = {};
  for (const word of words) {
    const [, key, value] = /^(\w+)=(.*)$/s.exec(word)!;
    (keys[key] ??= []).push(value);
  }
  const config = machineConfig<LibxlKeys>(LIBXL, "www", keys);
  return readGuest({ ...config, uuid });
}

const folder = await Deno.makeTempDir();
const kernel = `${folder}/kernel`, disk = `${folder}/disk`;
for (const file of [kernel, disk]) await Deno.writeTextFile(file, "x");
const script = `${folder}/vif`;
await Deno.writeTextFile(script, "#!/bin/sh\n", { mode: 0o755 });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const MINIMAL = [`kernel=${kernel}`, "memory=64000"];
const UUID = "6E696EB7-09f4-484c-981b-8d34efa0304d";

Deno.test("a guest with the original's keys becomes the same domain", async () => {
  const read = await guest([
    ...MINIMAL,
    "cmdline=a b",
    "nic=br0",
    "nic=br1",
    "nic=br2",
    `script=${script}`,
    `script=fast`,
    `disk=${disk}@xvda`,
  ], UUID);
  const config = domainConfig(read);
  const uuid = UUID.toLowerCase();
  const macs = [0, 1, 2].map((i) => macOf(uuid, i));
  assertEquals(config as unknown, {
    c_info: { type: "pv", name: "www", uuid },
    b_info: {
      max_vcpus: 1,
      max_memkb: 64000,
      target_memkb: 64000,
      kernel,
      cmdline: "a b",
      "type.pv": {},
    },
    nics: [
      { devid: 0, mac: macs[0], bridge: "br0", script },
      {
        devid: 1,
        mac: macs[1],
        bridge: "br1",
        script: "/run/jitsu/vif-fast",
        gatewaydev: "br1",
      },
      { devid: 2, mac: macs[2], bridge: "br2", script },
    ],
    disks: [{ pdev_path: disk, vdev: "xvda", format: "raw", readwrite: 1 }],
    on_poweroff: "destroy",
    on_reboot: "restart",
    on_watchdog: "destroy",
    on_crash: "destroy",
  });
});

Deno.test("a guest with what the original did not have", async () => {
  const read = await guest([
    `kernel=${kernel}`,
    "memory=1GiB",
    `ramdisk=${disk}`,
    "vcpus=3",
    "type=pvh",
    "nic=br0",
    "nic=br1",
    "mac=00:16:3E:00:00:0A",
    `disk=${disk}@xvdb:qcow2:ro`,
    "on_crash=preserve",
  ]);
  const { c_info, b_info, nics, disks, on_crash } = domainConfig(
    read,
    // deno-lint-ignore no-explicit-any -- looks at more than the program does
  ) as any;
  assertEquals(c_info, { type: "pvh", name: "www", uuid: uuidOf("www") });
  assertEquals(b_info, {
    max_vcpus: 3,
    avail_vcpus: [0, 1, 2],
    max_memkb: 1048576,
    target_memkb: 1048576,
    kernel,
    ramdisk: disk,
    "type.pvh": {},
  });
  assertEquals(nics, [
    { devid: 0, mac: "00:16:3e:00:00:0a", bridge: "br0" },
    { devid: 1, mac: macOf(uuidOf("www"), 1), bridge: "br1" },
  ]);
  assertEquals(disks[0].format, "qcow2");
  assertEquals(disks[0].readwrite, 0);
  assertEquals(on_crash, "preserve");
});

Deno.test("extra_config adds what the keys do not say, and overrides defaults", async () => {
  const file = `${folder}/extra.json`;
  await Deno.writeTextFile(
    file,
    JSON.stringify({
      b_info: {
        tsc_mode: "native",
        max_vcpus: 2,
        "type.pv": { e820_host: "True" },
      },
      on_reboot: "destroy",
      vtpms: [],
    }),
  );
  const config = domainConfig(
    await guest([...MINIMAL, `extra_config=${file}`]),
  );
  assertEquals(config as unknown, {
    c_info: { type: "pv", name: "www", uuid: uuidOf("www") },
    b_info: {
      tsc_mode: "native",
      max_vcpus: 2,
      max_memkb: 64000,
      target_memkb: 64000,
      kernel,
      "type.pv": { e820_host: "True" },
    },
    on_poweroff: "destroy",
    on_reboot: "destroy",
    on_watchdog: "destroy",
    on_crash: "destroy",
    vtpms: [],
  });
});

for (
  const [what, extra, words, problem] of [
    [
      "what a key says",
      { b_info: { kernel: "/x" } },
      [],
      "b_info.kernel is what the other keys say already",
    ],
    [
      "the name",
      { c_info: { name: "x" } },
      [],
      "c_info.name is what the other keys say already",
    ],
    [
      "nics where there is nic",
      { nics: [] },
      ["nic=br0"],
      "nics is what the other keys say already",
    ],
    [
      "an action that Jitsu does not know",
      { on_crash: "coredump_restart" },
      [],
      'on_crash "coredump_restart" is not destroy or restart or preserve',
    ],
  ] as const
) {
  Deno.test(`extra_config may not say ${what}`, async () => {
    const file = `${folder}/wrong.json`;
    await Deno.writeTextFile(file, JSON.stringify(extra));
    const read = await guest([...MINIMAL, `extra_config=${file}`, ...words]);
    await assertRejects(
      // deno-lint-ignore require-await -- it throws
      async () => domainConfig(read),
      BackendError,
      `extra_config=${file}: ${problem}`,
    );
  });
}

Deno.test("all files that cannot be used are told at once", async () => {
  const long = `${folder}/long.json`, bad = `${folder}/bad.json`;
  await Deno.writeTextFile(long, "x".repeat(5000));
  await Deno.writeTextFile(bad, "[1]");
  const error = await assertRejects(() =>
    guest([
      `kernel=${folder}/nope`,
      "memory=1",
      `ramdisk=${folder}`,
      `disk=${folder}/none.img@xvda`,
      `script=${kernel}`,
      "script=vif-nope",
      `rumprun_config=${long}`,
      `extra_config=${bad}`,
      "nic=br0",
      "mac=00:16:3e:00:00:01",
      "mac=00:16:3e:00:00:02",
    ]), BackendError);
  assertEquals(error.message.split("; "), [
    `kernel=${folder}/nope: there is no such file`,
    `ramdisk=${folder}: it is a directory`,
    `disk=${folder}/none.img: there is no such file`,
    `script=${kernel}: ${kernel} is not executable`,
    "script=vif-nope: there is no /etc/xen/scripts/vif-nope",
    "mac=00:16:3e:00:00:02: there is no nic for it, the first mac is the first nic's and so on",
    `rumprun_config=${long}: it has 5000 bytes, xenstore takes 4064 at most`,
    `extra_config=${bad}: it is no JSON object`,
  ]);
});

Deno.test("what two disks or two network interfaces cannot share is told", async () => {
  const { message } = await assertRejects(() =>
    guest([
      ...MINIMAL,
      `disk=${disk}@xvda`,
      `disk=${kernel}@xvda:ro`,
      "nic=br0",
      "nic=br1",
      "mac=00:16:3e:00:00:01",
      "mac=00:16:3E:00:00:01",
    ]), BackendError);
  assertEquals(message.split("; "), [
    "disk: two are called xvda, give each a device of its own",
    "mac=00:16:3e:00:00:01: two network interfaces cannot both have it",
  ]);
});

Deno.test("a UUID that was not given comes of the name, and MAC addresses of that", () => {
  // Of Python's uuid.uuid5(UUID("6f9a8c1e-5d0b-4f43-9d4b-1f2a7c0e3b58"), "www").
  assertEquals(uuidOf("www"), "0eddbdf1-303f-5651-ad4e-861f4b1e3138");
  assertNotEquals(uuidOf("www"), uuidOf("www2"));
  const macs = new Set([0, 1, 2].map((nic) => macOf(uuidOf("www"), nic)));
  assertEquals(macs.size, 3);
  for (const mac of macs) assert(readMac(mac).startsWith("02:"), mac);
});
