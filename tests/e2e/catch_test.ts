/**
 * What `--catch` needs to begin with, in a network namespace of the test's own. What it does then is tested with real
 * guests (qemu/catch_test.ts) and around a bridge (tests/catch/).
 *
 * @module
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { missing } from "../backends/libvirt/hypervisor.ts";
import { canDig, Jitsu } from "./harness.ts";

const isRoot = Deno.uid() === 0;
if (!isRoot) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log("skipped: a network namespace of the tests' own takes root");
}

/** Starts Jitsu where there is a bridge br0, with these capabilities at the most. */
function start(capabilities: string[], ...args: string[]): Promise<Jitsu> {
  const bounding = ["-all", ...capabilities.map((name) => `+${name}`)].join();
  return Jitsu.startIn(
    [
      ...["unshare", "--net", "sh", "-c"],
      'ip link set lo up && ip link add br0 type bridge && exec "$@"',
      ...["sh", "setpriv", `--bounding-set=${bounding}`],
    ],
    ...["-x", "libvirt", "-c", "test:///default", "-f", "0.0.0.0"],
    ...args,
    "dns=www.test,ip=192.0.2.1,name=test",
  );
}

const NEEDED = ["net_bind_service", "net_raw", "net_admin"];
const WRONG = [
  {
    what: "CAP_NET_RAW is missing",
    args: ["--catch=br0"],
    capabilities: ["net_bind_service", "net_admin"],
    said:
      "jitsu: --catch: br0: it takes the capability CAP_NET_RAW to read and send frames: run Jitsu as root, or grant it",
  },
  {
    what: "CAP_NET_ADMIN is missing",
    args: ["--catch=br0"],
    capabilities: ["net_bind_service", "net_raw"],
    said:
      "jitsu: --catch: it takes the capability CAP_NET_ADMIN to tell this host itself where a booting machine is: run Jitsu as root, or grant it",
  },
  {
    what: "there is no such interface",
    args: ["--catch=br0", "--catch=br1"],
    capabilities: NEEDED,
    said:
      "jitsu: --catch: br1: there is no such network interface (see ip link)",
  },
  {
    what: "the interface has no Ethernet",
    args: ["--catch=lo"],
    capabilities: NEEDED,
    said: "jitsu: --catch: lo: it is no Ethernet interface",
  },
];
for (const { what, args, capabilities, said } of WRONG) {
  Deno.test({
    name: `where ${what}, Jitsu does not start and says so`,
    ignore: !isRoot || !canDig,
    fn: async () => {
      const { message } = await assertRejects(
        () => start(capabilities, ...args),
        Error,
      );
      assertStringIncludes(message, said);
    },
  });
}

Deno.test({
  name: "CAP_NET_RAW and CAP_NET_ADMIN are all that --catch takes",
  ignore: !isRoot || !canDig || missing !== undefined,
  fn: async () => {
    await using jitsu = await start(NEEDED, "--catch=br0");
    await jitsu.logged(/catching first connections on br0/);
    assertEquals((await jitsu.stop()).code, 0);
  },
});
