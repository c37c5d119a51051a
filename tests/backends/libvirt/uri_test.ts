import { assertEquals } from "@std/assert";
import { redact, showUri, virsh } from "../../../src/backends/libvirt/uri.ts";

Deno.test("a URI without secrets is shown as it is", () => {
  for (
    const uri of [
      "test:///default",
      "qemu+ssh://root@host:2222/system?keyfile=/root/.ssh/id&no_tty=1",
      "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
      "esx://root@esx.example/?no_verify=1",
      "xen+tls://[2001:db8::1]:16514/system",
    ]
  ) assertEquals(showUri(uri), uri);
});

Deno.test("a password and parameters that nobody knows are not shown", () => {
  assertEquals(
    showUri("qemu+ssh://joe:s3cret@host/system?token=t0p&no_tty=1"),
    "qemu+ssh://joe:***@host/system?token=***&no_tty=1",
  );
});

Deno.test("libvirt's own messages about a URI are shown without its secrets", () => {
  const uri = "esx://joe:a/b@esx.example/?x=1";
  assertEquals(
    redact(
      "cannot parse esx://joe:s3cret@h/ at joe:s3cret@h",
      "esx://joe:s3cret@h/",
    ),
    "cannot parse esx://joe:***@h/ at joe:***@h",
  );
  assertEquals(redact("login failed", uri), "login failed");
});

Deno.test("an empty URI is libvirt's default one", () => {
  assertEquals(showUri(""), "the default URI");
  assertEquals(virsh("", "list"), "`virsh list`");
});

Deno.test("a virsh command is quoted for the shell and has no secret", () => {
  assertEquals(
    virsh("qemu+ssh://h/system?no_tty=1&password=x", "start", "it's"),
    "`virsh -c 'qemu+ssh://h/system?no_tty=1&password=***' start 'it'\\''s'`",
  );
});
