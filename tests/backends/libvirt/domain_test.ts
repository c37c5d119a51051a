import { assertEquals } from "@std/assert";
import { macAddresses } from "../../../src/backends/libvirt/domain.ts";

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
