import { assertEquals, assertThrows } from "@std/assert";
import { readKeys } from "../../../src/values/key.ts";
import { ValueError } from "../../../src/values/readers.ts";
import { LIBXL } from "../../../src/backends/libxl/description.ts";
import {
  readDisk,
  readMac,
  readMemory,
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
  ) assertEquals(readMemory(text), kib, text);
});

Deno.test("what is no size of memory is none", () => {
  for (const text of ["", "0", "64 MiB", "-1", "64X", "MiB", "1e3", "0.1KiB"]) {
    assertThrows(() => readMemory(text), ValueError, "a size", text);
  }
});

Deno.test("a disk is a file and what the guest calls it, raw and writable unless it is said", () => {
  const disk = { vdev: "xvda", format: "raw", readOnly: false };
  assertEquals(readDisk("images/data.iso@xvda"), {
    ...disk,
    file: "images/data.iso",
  });
  assertEquals(readDisk("/dev/vg/a@b@hda1:ro"), {
    ...disk,
    file: "/dev/vg/a@b",
    vdev: "hda1",
    readOnly: true,
  });
  assertEquals(readDisk("c:\\x.img@sdb:qcow2:rw"), {
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
    assertThrows(() => readDisk(text), ValueError, "FILE@DEVICE", text);
  }
});

Deno.test("a MAC address is that of one interface, in lower case", () => {
  assertEquals(readMac("00:16:3e:00:00:01"), "00:16:3e:00:00:01");
  assertEquals(readMac("00:16:3E:0a:0B:01"), "00:16:3e:0a:0b:01");
  for (
    const text of ["01:16:3e:00:00:01", "00-16-3e-00-00-01", "00:16:3e:00:00"]
  ) assertThrows(() => readMac(text), ValueError, "six pairs", text);
});

Deno.test("the command line is told what was expected of a value", () => {
  const problemOf = (name: string, text: string) => {
    let found: string | undefined;
    readKeys(LIBXL.keys, new Map([[name, [text]]]), (problem) => {
      found = problem;
    });
    return found;
  };
  assertEquals(problemOf("type", "pvh"), undefined);
  assertEquals(
    problemOf("type", "xen"),
    'type "xen" is not one of pv, pvh, hvm',
  );
  assertEquals(
    problemOf("on_crash", "ignore"),
    'on_crash "ignore" is not one of destroy, restart, preserve',
  );
  assertEquals(
    problemOf("vcpus", "0"),
    'vcpus "0" is not a number (1 to 999)',
  );
  assertEquals(
    problemOf("memory", "much"),
    'memory "much" is not a size: a number of KiB, or one with KiB, MiB or GiB',
  );
  assertEquals(
    problemOf("disk", "data.img"),
    'disk "data.img" is not FILE@DEVICE, such as data.img@xvda, and where needed :raw, :qcow, :qcow2, :qed, :vhd or :ro',
  );
  assertEquals(
    problemOf("mac", "1"),
    'mac "1" is not six pairs of hex digits with colons',
  );
});
