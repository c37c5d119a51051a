import { assertEquals } from "@std/assert";

const canUnshare = (await new Deno.Command("unshare", {
  args: ["--net", "true"],
  stderr: "null",
}).output()
  .catch(() => undefined))?.success ?? false;
if (!canUnshare) {
  // deno-lint-ignore no-console -- says why a test does not run
  console.log("skipped: network namespaces of the test's own take root");
}

for (
  const [name, scenario] of [
    [
      "the kernel passes ARP, neighbour discovery and SYNs, also of others, and nothing of a VLAN",
      "filter",
    ],
    [
      "a connection to a booting machine takes no second SYN, from a port of the bridge, the host itself and a routed host",
      "clients",
    ],
    ["nobody is told of an address whose machine does not boot", "foreign"],
    [
      "when a boot has failed, this host forgets where the machine would have been",
      "ended",
    ],
    ["whoever has the address really is left alone, with a warning", "owner"],
    [
      "a machine that makes sure its own address is free is not disturbed",
      "probes",
    ],
    [
      "this host is told where a booting machine will be before it asks, which it cannot do on a bridge without a link, but not if it knows of somebody else",
      "linkless",
    ],
    [
      "a guest whose interface gives the bridge another MAC address is told the one that the bridge has then, and again when that changes",
      "joins",
    ],
    ["a bridge with a MAC address of its own keeps it", "fixed"],
    [
      "connections are caught on a bridge that is made anew while a machine boots",
      "anew",
    ],
    [
      "a machine is not said to be heard of where its first address is in another network of this host's",
      "heard",
    ],
  ]
) {
  Deno.test({
    name,
    ignore: !canUnshare,
    async fn() {
      const { code, stdout, stderr } = await new Deno.Command("unshare", {
        args: [
          ...["--net", "--mount", Deno.execPath(), "run", "-A"],
          new URL("catcher_scenario.ts", import.meta.url).pathname,
          scenario,
        ],
      }).output();
      const text = new TextDecoder();
      assertEquals([code, text.decode(stdout) + text.decode(stderr)], [0, ""]);
    },
  });
}
