import { assert, assertEquals } from "@std/assert";
import {
  addressesOf,
  isOwnAddress,
  isWildcard,
  ownAddresses,
} from "../../src/net/own_addresses.ts";

Deno.test("one address is served as it is, and all addresses are those that interfaces have", () => {
  assertEquals(addressesOf("192.0.2.1"), ["192.0.2.1"]);
  assertEquals(addressesOf("::"), ownAddresses());
  const ipv4 = addressesOf("0.0.0.0");
  assert(ipv4.includes("127.0.0.1") && !ipv4.includes("127.0.0.99"));
  assert(ipv4.every((address) => !address.includes(":")), ipv4.join());
  assert(![...ipv4, ...ownAddresses()].some(isWildcard));
});

Deno.test("every address of this host can be bound to", () => {
  for (const hostname of ownAddresses()) {
    Deno.listenDatagram({ transport: "udp", hostname, port: 0 }).close();
  }
});

Deno.test("what is sent to this host's own addresses and to all of 127.0.0.0/8 stays here, all else does not", () => {
  for (const own of ["127.0.0.1", "127.9.8.7", "::1", ...ownAddresses()]) {
    assert(isOwnAddress(own), own);
  }
  for (const other of ["192.0.2.1", "2001:db8::1", "fe80::1", "www.test"]) {
    assert(!isOwnAddress(other), other);
  }
});
