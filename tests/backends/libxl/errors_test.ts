import { assertEquals } from "@std/assert";
import {
  errorMessages,
  LibxlError,
} from "../../../src/backends/libxl/errors.ts";

// What libxl 4.17 logged for a kernel that is larger than the domain.
const LOG =
  `xc: error: panic: xg_dom_core.c:536: xc_dom_chk_alloc_pages: segment kernel too large (0x302 > 0x400 - 0xff pages): Out of memory
libxl: error: libxl_dom.c:594:libxl__build_dom: xc_dom_build_image failed: No such file or directory
libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain 1:cannot (re-)build domain: -3
libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain 1:Non-existant domain
libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain 1:Unable to destroy guest
`;

Deno.test("messages lose the place in the source and the domain", () => {
  assertEquals(errorMessages(LOG), [
    "segment kernel too large (0x302 > 0x400 - 0xff pages): Out of memory",
    "xc_dom_build_image failed: No such file or directory",
    "cannot (re-)build domain: -3",
    "Non-existant domain",
    "Unable to destroy guest",
  ]);
});

Deno.test("what is not an error is no message, and a message is told once", () => {
  assertEquals(
    errorMessages(
      `libxl: debug: libxl_create.c:1:f: Domain 1:x
xc: info: Restoring domain
libxl: warning: libxl_x.c:1:f: odd
libxl-save-helper: error: write failed: No space left on device
libxl-save-helper: error: write failed: No space left on device
libxl: error: libxl_device.c:1286:device_hotplug_child_death_cb: script: Could not find bridge device br7`,
    ),
    [
      "write failed: No space left on device",
      "script: Could not find bridge device br7",
    ],
  );
});

Deno.test("an error shows the first messages, or the code's name where there are none", () => {
  assertEquals(
    new LibxlError(-3, "ERROR_FAIL", LOG).message,
    "segment kernel too large (0x302 > 0x400 - 0xff pages): Out of memory; xc_dom_build_image failed: No such file or directory; cannot (re-)build domain: -3",
  );
  assertEquals(new LibxlError(-3, "ERROR_FAIL", "").message, "ERROR_FAIL");
});
