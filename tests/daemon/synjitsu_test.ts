import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { StartError } from "../../src/daemon/options.ts";
import { pairOf, SynjitsuHolder } from "../../src/daemon/synjitsu.ts";
import { unikernel } from "../summon/set_up.ts";

const MACS = ["00:16:3e:00:00:01", "00:16:3e:00:00:02"];
const addresses = ["2001:db8::1", "10.0.0.1", "10.0.1.1"];

Deno.test("Synjitsu is told of the first interface and the first IPv4 address, of those that use it", () => {
  const www = unikernel({ addresses, useSynjitsu: true });
  assertEquals(pairOf({ unikernel: www, macs: MACS }), {
    mac: MACS[0],
    address: "10.0.0.1",
  });
  assertEquals(
    pairOf({ unikernel: { ...www, useSynjitsu: false }, macs: MACS }),
    undefined,
  );
});

Deno.test("synjitsu_nic chooses another interface, and one that is not there is an error", () => {
  const www = unikernel({ addresses, useSynjitsu: true, synjitsuNic: 1 });
  assertEquals(pairOf({ unikernel: www, macs: MACS })?.mac, MACS[1]);
  assertThrows(
    () => pairOf({ unikernel: www, macs: MACS.slice(0, 1) }),
    Error,
    "synjitsu_nic=1: there is no such network interface; its last is 0",
  );
});

Deno.test("where there can be no Synjitsu, Jitsu does not start and says why", async () => {
  const { message } = await assertRejects(
    () => SynjitsuHolder.open("6e696eb7-09f4-484c-981b-8d34efa0304d"),
    StartError,
  );
  assertMatch(
    message,
    /^--synjitsu: cannot (open the libxenvchan library; tried .*; install it with apt-get install xen-utils |connect to xenstore: this is not a Xen host; Jitsu has to run in dom0$)/,
  );
});
