import { assertEquals } from "@std/assert";
import { parseAddress } from "../../src/net/address.ts";
import { isPrivate } from "../../src/net/private.ts";

const isPrivateText = (text: string) => isPrivate(parseAddress(text)!);

Deno.test("addresses of this host, of the link and of the house are private, in all the forms that lead to them", () => {
  const texts = [
    ...["0.0.0.0", "0.1.2.3", "10.0.0.1", "127.0.0.1", "127.255.0.1"],
    ...["169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.0.1"],
    ...["::", "::1", "fc00::1", "fdff::1", "fe80::1", "febf::1"],
    ...["::ffff:192.168.0.1", "::ffff:127.0.0.1", "::10.0.0.1"],
    ...["64:ff9b::10.0.0.1", "2002:c0a8:1::1"],
  ];
  assertEquals(texts.filter((text) => !isPrivateText(text)), []);
});

Deno.test("all others are public", () => {
  const texts = [
    ...["1.0.0.0", "9.255.255.255", "11.0.0.1", "126.0.0.1", "128.0.0.1"],
    ...["169.253.0.1", "169.255.0.1", "172.15.0.1", "172.32.0.1"],
    ...["192.167.0.1", "192.169.0.1", "255.255.255.255", "100.64.0.1"],
    ...["::ffff:9.9.9.9", "64:ff9b::9.9.9.9", "2002:909:909::1"],
    ...["2001:db8::1", "fbff::1", "fec0::1", "ff02::1", "2620:fe::fe"],
  ];
  assertEquals(texts.filter(isPrivateText), []);
});
