import { assertEquals } from "@std/assert";
import {
  macAddresses,
  passingPause,
} from "../../../src/backends/libvirt/domain.ts";

function domain(devices: string): string {
  return `<domain type='kvm' id='3'><name>www</name>${devices}</domain>`;
}

Deno.test("MAC addresses are read from a domain's XML, in the order of its interfaces and in lower case", () => {
  assertEquals(
    macAddresses(domain(
      `<devices>
        <disk type='file'><source file='/x'/></disk>
        <interface type='bridge'>
          <mac address='52:54:00:AB:CD:EF'/><source bridge='br0'/>
        </interface>
        <interface type='network'><mac address='00:16:3e:00:00:01'/></interface>
      </devices>`,
    )),
    ["52:54:00:ab:cd:ef", "00:16:3e:00:00:01"],
  );
});

Deno.test("a MAC address of digits only stays text", () => {
  assertEquals(
    macAddresses(domain(
      "<devices><interface type='user'><mac address='00:00:00:00:00:10'/></interface></devices>",
    )),
    ["00:00:00:00:00:10"],
  );
});

Deno.test("a domain without interfaces, or whose interfaces have no address yet, has no MAC addresses", () => {
  assertEquals(macAddresses(domain("")), []);
  assertEquals(macAddresses(domain("<devices/>")), []);
  assertEquals(
    macAddresses(domain("<devices><interface type='user'/></devices>")),
    [],
  );
});

Deno.test("a domain that libvirt has paused to save or migrate it is left alone, one that somebody paused is not", () => {
  // virDomainPausedReason, from UNKNOWN and USER on.
  const passing = Array.from({ length: 15 }, (_, reason) => reason)
    .filter((reason) => passingPause(reason) !== undefined);
  assertEquals(passing, [2, 3, 4, 8, 9, 11, 12, 13]);
});
