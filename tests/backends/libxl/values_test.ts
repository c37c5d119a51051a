import { assertEquals } from "@std/assert";
import { LIBXL } from "../../../src/backends/libxl/description.ts";
import {
  isMac,
  parseDisk,
  parseMemory,
} from "../../../src/backends/libxl/values.ts";

Deno.test("a bare number of memory is KiB, units are those of virsh", () => {
  for (
    const [text, kib] of [
      ["64000", 64000],
      ["64000k", 64000],
      ["64000KiB", 64000],
      ["64M", 65536],
      ["64m", 65536],
      ["64MiB", 65536],
      ["1G", 1048576],
      ["1.5GiB", 1572864],
      ["1TiB", 1073741824],
      ["1024KB", 1000],
      ["64MB", 62500],
      ["1GB", 976562],
    ] as const
  ) assertEquals(parseMemory(text), kib, text);
});

Deno.test("what is no size of memory is none", () => {
  for (const text of ["", "0", "64 MiB", "-1", "64X", "MiB", "1e3", "0.1KiB"]) {
    assertEquals(parseMemory(text), undefined, text);
  }
});

Deno.test("a disk is a file and what the guest calls it, raw and writable unless it is said", () => {
  const disk = { vdev: "xvda", format: "raw", readOnly: false };
  assertEquals(parseDisk("images/data.iso@xvda"), {
    ...disk,
    file: "images/data.iso",
  });
  assertEquals(parseDisk("/dev/vg/a@b@hda1:ro"), {
    ...disk,
    file: "/dev/vg/a@b",
    vdev: "hda1",
    readOnly: true,
  });
  assertEquals(parseDisk("c:\\x.img@sdb:qcow2:rw"), {
    ...disk,
    file: "c:\\x.img",
    vdev: "sdb",
    format: "qcow2",
  });
});

Deno.test("what is no disk is none", () => {
  for (
    const text of ["data.iso", "@xvda", "a@", "a@xvda:zip", "a@XVDA", "a@xvda:"]
  ) {
    assertEquals(parseDisk(text), undefined, text);
  }
});

Deno.test("a MAC address is that of one interface", () => {
  assertEquals(isMac("00:16:3e:00:00:01"), true);
  assertEquals(isMac("00:16:3E:0a:0B:01"), true);
  assertEquals(isMac("01:16:3e:00:00:01"), false);
  assertEquals(isMac("00-16-3e-00-00-01"), false);
  assertEquals(isMac("00:16:3e:00:00"), false);
});

Deno.test("the command line is told what was expected of a value", () => {
  const expected = (key: string, value: string) =>
    LIBXL.keys.find(({ name }) => name === key)!.expected!(value);
  assertEquals(expected("type", "pvh"), undefined);
  assertEquals(expected("type", "xen"), "pv or pvh or hvm");
  assertEquals(
    expected("on_crash", "ignore"),
    "destroy or restart or preserve",
  );
  assertEquals(expected("vcpus", "0"), "a number from 1 to 999");
  assertEquals(
    expected("memory", "much"),
    "a size: a number of KiB, or one with KiB, MiB or GiB",
  );
  assertEquals(
    expected("disk", "data.img"),
    "FILE@DEVICE, such as data.img@xvda, and where needed :raw, :qcow, :qcow2, :qed, :vhd or :ro",
  );
  assertEquals(expected("mac", "1"), "six pairs of hex digits with colons");
});
