import { assertEquals } from "@std/assert";
import {
  bridgeProblem,
  kernelProblem,
} from "../../../src/backends/libxl/foresight.ts";

Deno.test("what is no bridge, and what is not there, is told", async () => {
  const net = await Deno.makeTempDir();
  await Deno.mkdir(`${net}/br0/bridge`, { recursive: true });
  await Deno.mkdir(`${net}/eth0`);
  assertEquals(await bridgeProblem("br0", net), []);
  assertEquals(await bridgeProblem("eth0", net), [
    "nic=eth0: that network interface is no bridge",
  ]);
  assertEquals(await bridgeProblem("br7", net), [
    'nic=br7: there is no such bridge; "ip link add br7 type bridge" makes one',
  ]);
  await Deno.remove(net, { recursive: true });
});

Deno.test("kernels are known by their octets", async () => {
  const path = await Deno.makeTempFile();
  const problem = async (bytes: number[]) => {
    await Deno.writeFile(path, Uint8Array.from(bytes));
    return await kernelProblem(path);
  };
  const none = [`kernel=${path}: it is no kernel that Xen knows how to load`];
  assertEquals(await problem([]), none);
  assertEquals(await problem([...new TextEncoder().encode("root:x")]), none);
  assertEquals(await problem([0x7f, 0x45, 0x4c, 0x46]), []);
  assertEquals(await problem([0x1f, 0x8b, 8]), []);
  const linux = Array(0x202).fill(0);
  assertEquals(await problem([...linux, 0x48, 0x64, 0x72, 0x53]), []);
  assertEquals(await problem([0, 0, 0, 0, 0x02, 0xb0, 0xad, 0x1b]), []);
  await Deno.remove(path);
});
