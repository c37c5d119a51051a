import { assertEquals } from "@std/assert";
import { addressIn, destinationOf, portIn } from "../../src/net/mmsg.ts";
import { KnownPeer } from "../../src/net/peer.ts";
import { formatAddress } from "../../src/net/address.ts";

Deno.test("addresses are written in the family of the socket, IPv4 ones mapped in IPv6 (RFC 4291 section 2.5.5.2)", () => {
  const written = (hostname: string, isV6: boolean) => {
    const peer = new KnownPeer({ hostname, port: 0x1234 });
    const { sockaddr, length } = destinationOf(peer, isV6);
    assertEquals(portIn(sockaddr), 0x1234);
    return [[...addressIn(sockaddr)], length];
  };
  const mapped = [...Array(10).fill(0), 255, 255, 192, 0, 2, 1];
  assertEquals(written("192.0.2.1", false), [[192, 0, 2, 1], 16]);
  assertEquals(written("192.0.2.1", true), [mapped, 28]);
  const [octets, length] = written("2001:db8::1", true);
  assertEquals(
    formatAddress(Uint8Array.from(octets as number[])),
    "2001:db8::1",
  );
  assertEquals(length, 28);
});
