import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  canonicalAddress,
  formatAddress,
  parseAddress,
} from "../../src/net/address.ts";

Deno.test("addresses are written in canonical form (RFC 5952)", () => {
  for (
    const [text, canonical] of [
      ["192.0.2.1", "192.0.2.1"],
      ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
      ["::", "::"],
      ["::1", "::1"],
      ["1::", "1::"],
      ["2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"],
      ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
      ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
      ["::ffff:192.0.2.1", "::ffff:c000:201"],
      ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ]
  ) assertEquals(canonicalAddress(text), canonical);
});

Deno.test("a text that is no address gives none", () => {
  for (
    const text of [
      "",
      "localhost",
      "1.2.3",
      "1.2.3.256",
      "01.2.3.4",
      "::1%lo",
      "1::2::3",
      "fe80::1/64",
      "192.0.2.1 ",
    ]
  ) {
    assertEquals(parseAddress(text), undefined, text);
  }
});

Deno.test("every address survives being written and read", () => {
  const octets = (length: number) =>
    fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(fc.property(fc.oneof(octets(4), octets(16)), (address) => {
    assertEquals(parseAddress(formatAddress(address)), address);
  }));
});
