import { assertEquals } from "@std/assert";
import { defaultControlPath } from "../../src/control/protocol.ts";

Deno.test("the socket is beside the database, or else root's in /run and another user's in his runtime directory", () => {
  assertEquals(
    defaultControlPath("/var/lib/jitsu/db"),
    "/var/lib/jitsu/db.sock",
  );
  const before = Deno.env.get("XDG_RUNTIME_DIR");
  Deno.env.set("XDG_RUNTIME_DIR", "/run/user/7");
  try {
    assertEquals(
      defaultControlPath(),
      Deno.uid() === 0 ? "/run/jitsu/control.sock" : "/run/user/7/jitsu.sock",
    );
    Deno.env.delete("XDG_RUNTIME_DIR");
    assertEquals(
      defaultControlPath(),
      Deno.uid() === 0 ? "/run/jitsu/control.sock" : undefined,
    );
  } finally {
    if (before !== undefined) Deno.env.set("XDG_RUNTIME_DIR", before);
  }
});
