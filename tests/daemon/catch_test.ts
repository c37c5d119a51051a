import { assertEquals, assertThrows } from "@std/assert";
import { caughtOf } from "../../src/daemon/catch.ts";
import { unikernel } from "../summon/set_up.ts";

const MACS = ["00:16:3e:00:00:01", "00:16:3e:00:00:ff"];
const FIRST = Uint8Array.of(0, 0x16, 0x3e, 0, 0, 1);
const SECOND = Uint8Array.of(0, 0x16, 0x3e, 0, 0, 0xff);

Deno.test("all addresses are caught at the first interface, and what the others say is the machine's too", () => {
  const www = unikernel({ addresses: ["10.0.0.1", "2001:db8::1"] });
  assertEquals(caughtOf({ unikernel: www, macs: MACS }), {
    name: "www",
    addresses: [
      Uint8Array.of(10, 0, 0, 1),
      Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    ],
    mac: FIRST,
    otherMacs: [SECOND],
  });
});

Deno.test("catch_nic chooses another interface, and one that is not there is an error", () => {
  const www = unikernel({ catchNic: 1 });
  const { mac, otherMacs } = caughtOf({ unikernel: www, macs: MACS });
  assertEquals([mac, otherMacs], [SECOND, [FIRST]]);
  assertThrows(
    () => caughtOf({ unikernel: www, macs: MACS.slice(1) }),
    Error,
    "catch_nic=1: there is no such network interface; its last is 0",
  );
});
