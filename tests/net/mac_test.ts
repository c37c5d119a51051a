import { assertEquals } from "@std/assert";
import { macOctets, macText } from "../../src/net/mac.ts";

Deno.test("a MAC address is written in pairs with colons, and read so", () => {
  const octets = Uint8Array.of(0x02, 0, 0x0a, 0xff, 0x10, 1);
  assertEquals(macText(octets), "02:00:0a:ff:10:01");
  assertEquals(macOctets("02:00:0a:ff:10:01"), octets);
});
