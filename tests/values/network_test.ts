import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  readAddress,
  readBindAddress,
  readDnsName,
  readDomainServer,
  readListenPort,
  readPort,
  readServer,
  readTtl,
} from "../../src/values/network.ts";
import { ValueError } from "../../src/values/readers.ts";
import { parseName } from "../../src/dns/wire/name.ts";
import { assertReads, assertRefuses } from "./assert.ts";

Deno.test("a port is 1 to 65535, and a port to listen on may be 0", () => {
  assertReads(readPort, { "1": 1, "53": 53, "065": 65, "65535": 65535 });
  assertReads(readListenPort, { "0": 0, "65535": 65535 });
  for (const text of ["", "65536", "-1", "5.3", "1e3", "0x35", "53 ", "५"]) {
    assertThrows(
      () => readPort(text),
      ValueError,
      "a port number (1 to 65535)",
    );
    assertThrows(() => readListenPort(text), ValueError, "(0 to 65535)");
  }
  assertThrows(() => readPort("0"), ValueError, "a port number (1 to 65535)");
});

Deno.test("a TTL is 1 to 2147483647 whole seconds", () => {
  assertReads(readTtl, { "1": 1, "60": 60, "2147483647": 2147483647 });
  assertRefuses(readTtl, {
    "2147483648": "a whole number of seconds (1 to 2147483647)",
    "1.5": "a whole number of seconds",
    "-1": "a whole number of seconds",
    "": "a whole number of seconds",
  });
});

Deno.test("a TTL of 0 is refused with the reason", () => {
  assertRefuses(readTtl, { "0": "stopped after 2 x TTL", "00": "2 x TTL" });
});

Deno.test("addresses come out in canonical text form", () => {
  assertReads(readAddress, {
    "10.0.0.1": "10.0.0.1",
    "127.0.0.1": "127.0.0.1",
    "2001:DB8:0:0:0:0:0:1": "2001:db8::1",
    "::1": "::1",
    "fe80::1": "fe80::1",
  });
});

Deno.test("what is no address is refused", () => {
  for (
    const text of [
      "",
      "x",
      "10.0.0",
      "10.0.0.256",
      "010.0.0.1",
      "10.0.0.1/24",
      "10.0.0.1:53",
      "[::1]",
      "fe80::1%eth0",
      "1::2::3",
      "www.example.org",
      " 10.0.0.1",
    ]
  ) {
    assertThrows(
      () => readAddress(text),
      ValueError,
      "an IPv4 or IPv6 address",
      text,
    );
  }
});

Deno.test("addresses that are not one host's are refused with the reason", () => {
  assertRefuses(readAddress, {
    "224.0.0.251": "a multicast address",
    "239.255.255.255": "a multicast address",
    "ff02::fb": "a multicast address",
    "255.255.255.255": "the broadcast address",
    "0.0.0.0": "the unspecified address",
    "::": "the unspecified address",
    "0:0::0": "the unspecified address",
    "::ffff:10.0.0.1": "write 10.0.0.1",
    "::FFFF:a00:1": "write 10.0.0.1",
  });
});

Deno.test("a DNS server is an address, and may have a port", () => {
  assertReads(readServer, {
    "192.0.2.1": { address: "192.0.2.1", port: undefined },
    "2001:DB8:0::1#5353": { address: "2001:db8::1", port: 5353 },
  });
  assertRefuses(readServer, {
    "0.0.0.0": "it is the unspecified address",
    "192.0.2.1#": "a port number",
    "192.0.2.1#0": "a port number",
    "192.0.2.1#53#53": "a port number",
    "192.0.2.1:53": "an IPv4 or IPv6 address",
    "ns.example.org": "an IPv4 or IPv6 address",
    "": "an IPv4 or IPv6 address",
  });
});

Deno.test("a domain has a server or, after its equals sign, none", () => {
  assertReads(readDomainServer, {
    "Corp.Example.=192.0.2.1#54": {
      domain: "corp.example",
      server: { address: "192.0.2.1", port: 54 },
    },
    "10.in-addr.arpa=2001:db8::1": {
      domain: "10.in-addr.arpa",
      server: { address: "2001:db8::1", port: undefined },
    },
    "corp.example=": { domain: "corp.example", server: undefined },
  });
  assertRefuses(readDomainServer, {
    "corp.example": "a domain and its server",
    "192.0.2.1": "a domain and its server",
    "=192.0.2.1": "a domain name",
    "corp.example=ns": "an IPv4 or IPv6 address",
    "*.example=192.0.2.1": "wildcards",
  });
});

Deno.test("an address to bind to may stand for all of the host's", () => {
  assertReads(readBindAddress, { "0.0.0.0": "0.0.0.0", "0::0": "::" });
  assertRefuses(readBindAddress, { "224.0.0.1": "a multicast address" });
});

Deno.test("a DNS name is read in lower case without the dot at its end", () => {
  assertReads(readDnsName, {
    "www.example.org": "www.example.org",
    "WWW.Example.ORG.": "www.example.org",
    "home": "home",
    "_dns.my_host.r3---x": "_dns.my_host.r3---x",
    "1.example": "1.example",
  });
});

Deno.test("a DNS name in Unicode becomes its A-labels", () => {
  assertReads(readDnsName, {
    "bücher.example": "xn--bcher-kva.example",
    "BÜCHER.example.": "xn--bcher-kva.example",
    "例え.テスト": "xn--r8jz45g.xn--zckzah",
  });
});

Deno.test("what is no DNS name of a host is refused with the reason", () => {
  assertRefuses(readDnsName, {
    "": "a domain name",
    ".": "it is the root",
    "a..b": "it has an empty label",
    ".a": "it has an empty label",
    "a..": "it has an empty label",
    "*.example.org": "wildcards are not summoned",
    "a.*": "wildcards are not summoned",
    "10.0.0.1": "it is an address",
    "::1": "it is an address",
    "１２７.0.0.1": "it is an address",
    "http://www.example.org": "letters, digits",
    "www example": "letters, digits",
    "a\\.b": "letters, digits",
    "a\n": "letters, digits",
    "\ud800": "a domain name",
  });
});

Deno.test("a DNS name keeps to the limits of RFC 1035", () => {
  const label = "a".repeat(63);
  const longest = [label, label, label, "a".repeat(61)].join(".");
  assertEquals(readDnsName(longest), longest);
  assertEquals(parseName(longest).length, 255);
  assertRefuses(readDnsName, {
    ["a".repeat(64) + ".b"]: "a label of more than 63 octets",
    [longest + "a"]: "more than 255 octets",
  });
});

Deno.test("whatever is read as a DNS name is one for the codec too", () => {
  fc.assert(fc.property(
    fc.oneof(
      fc.domain(),
      fc.string({ unit: "binary" }),
      fc.stringMatching(/^[a-zé.*_-]{0,300}$/),
    ),
    (text) => {
      let name: string;
      try {
        name = readDnsName(text);
      } catch (error) {
        assert(error instanceof ValueError);
        return;
      }
      assertEquals(readDnsName(name), name);
      assert(parseName(name).length > 1);
    },
  ));
});

Deno.test("no text makes a reader throw anything but a ValueError", () => {
  const readers = [
    readAddress,
    readBindAddress,
    readDomainServer,
    readListenPort,
    readPort,
    readServer,
    readTtl,
  ];
  fc.assert(fc.property(
    fc.oneof(fc.string({ unit: "binary" }), fc.ipV4(), fc.ipV6(), fc.uuid()),
    fc.constantFrom(...readers),
    (text, read) => {
      try {
        read(text);
      } catch (error) {
        assert(error instanceof ValueError);
      }
    },
  ));
});
