import { assert, assertEquals } from "@std/assert";
import { Access } from "../../../src/dns/serve/access.ts";
import { parseAddress } from "../../../src/net/address.ts";
import {
  formatNetwork,
  isInNetwork,
  parseNetwork,
} from "../../../src/net/network.ts";
import { KnownPeer, peerName } from "../../../src/net/peer.ts";
import { TokenBuckets } from "../../../src/dns/serve/token_buckets.ts";

const network = (text: string) => parseNetwork(text)!;
const address = (text: string) => parseAddress(text)!;

Deno.test("a network is an address and a number of bits, or an address alone", () => {
  assertEquals(formatNetwork(network("192.0.2.0/24")), "192.0.2.0/24");
  assertEquals(formatNetwork(network("2001:DB8::1")), "2001:db8::1/128");
  for (
    const text of [
      "",
      "192.0.2.0/33",
      "::/129",
      "192.0.2.0/",
      "192.0.2.0/-1",
      "192.0.2/24",
      "a/8",
      "192.0.2.0/8/8",
    ]
  ) {
    assertEquals(parseNetwork(text), undefined, text);
  }
});

Deno.test("an address is in a network when the network's bits are the same", () => {
  for (
    const [inside, text] of [
      ["192.0.2.255", "192.0.2.0/24"],
      ["10.127.0.1", "10.64.0.0/10"],
      ["203.0.113.9", "0.0.0.0/0"],
      ["2001:db8:ffff::1", "2001:db8::/32"],
      ["fe80::1", "fe80::/10"],
      ["febf::1", "fe80::/10"],
    ]
  ) assert(isInNetwork(address(inside), network(text)), `${inside} ${text}`);
  for (
    const [outside, text] of [
      ["192.0.3.0", "192.0.2.0/24"],
      ["10.128.0.1", "10.64.0.0/10"],
      ["fec0::1", "fe80::/10"],
      ["::1", "0.0.0.0/0"],
      ["192.0.2.1", "::/0"],
    ]
  ) assert(!isInNetwork(address(outside), network(text)), `${outside} ${text}`);
});

Deno.test("this host, its networks and those allowed may ask, and nobody else (RFC 5358)", () => {
  const access = new Access(
    [network("198.51.100.0/24")],
    () => 0,
    () => [network("192.0.2.0/24")],
  );
  for (
    const text of [
      "127.0.0.1",
      "127.9.9.9",
      "::1",
      "192.0.2.77",
      "198.51.100.1",
    ]
  ) {
    assert(access.allows(address(text)), text);
  }
  for (const text of ["192.0.3.1", "8.8.8.8", "2001:db8::1"]) {
    assert(!access.allows(address(text)), text);
  }
});

Deno.test("a network that the host is attached to later on may ask too, without a look for every stranger", () => {
  let now = 0, looks = 0, attached = [network("192.0.2.0/24")];
  const access = new Access([], () => now, () => {
    looks++;
    return attached;
  });
  attached = [network("203.0.113.0/24")];
  assert(!access.allows(address("203.0.113.1")));
  now += 5000;
  assert(access.allows(address("203.0.113.1")));
  for (let i = 0; i < 100; i++) access.allows(address("8.8.8.8"));
  assertEquals(looks, 2);
});

Deno.test("an IPv4 client of a socket for both families is an IPv4 client", () => {
  const peer = new KnownPeer({ hostname: "::ffff:192.0.2.1", port: 53 });
  assertEquals(peer.octets, address("192.0.2.1"));
  assertEquals(peerName(peer), "192.0.2.1#53");
});

Deno.test("a bucket has its burst at once, and after that its rate", () => {
  let now = 0;
  const buckets = new TokenBuckets(2, 3, () => now);
  const take = (count: number, text = "192.0.2.1") =>
    Array.from({ length: count }, () => buckets.take(address(text))).filter((
      taken,
    ) => taken).length;
  assertEquals(take(10), 3);
  now += 1000;
  assertEquals(take(10), 2);
  now += 60_000;
  assertEquals(take(10), 3);
});

Deno.test("neighbours share a bucket, other networks have their own", () => {
  const buckets = new TokenBuckets(0, 1, () => 0);
  assert(buckets.take(address("192.0.2.1")));
  assert(!buckets.take(address("192.0.2.200")));
  assert(buckets.take(address("192.0.3.1")));
  assert(buckets.take(address("2001:db8::1")));
  assert(!buckets.take(address("2001:db8:0:ff::1")));
  assert(buckets.take(address("2001:db8:0:100::1")));
});
