import { assertEquals } from "@std/assert";
import { synjitsuMessage } from "../../src/xen/synjitsu.ts";

Deno.test("what Synjitsu is told has six octets of MAC and four of IPv4, first octet first", () => {
  assertEquals(
    synjitsuMessage("00:16:3e:ff:0a:01", "10.0.200.1").toHex(),
    "00163eff0a010a00c801",
  );
});
