/**
 * What the doctor says of hosts that are well and hosts that are not: real sockets, real libvirt, the real program.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { missing, TEST_URI } from "../backends/libvirt/hypervisor.ts";
import { readCommandLine } from "../../src/cli/read/command_line.ts";
import { examine } from "../../src/doctor/examine.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import { canDig, freePort, Jitsu } from "../e2e/harness.ts";

const PROCESS = "dns=www.test,ip=127.0.0.2,name=www,command=sleep 60";

async function findings(...argv: string[]): Promise<Finding[]> {
  const request = readCommandLine(["doctor", ...argv]);
  assert(request.kind === "examine", JSON.stringify(request));
  return await Array.fromAsync(examine(request.options));
}

/** The findings that are not good. */
async function complaints(...argv: string[]): Promise<Finding[]> {
  return (await findings("-f", "0.0.0.0", ...argv))
    .filter(({ verdict }) => verdict !== "good");
}

Deno.test("a command line that can be served has no complaint but that nobody else can ask", async () => {
  assertEquals(
    (await complaints("-x", "process", "-l", `${freePort()}`, PROCESS))
      .map(({ verdict, text }) => [verdict, text.slice(0, 50)]),
    [["doubtful", "only programs on this host can ask 127.0.0.1: for "]],
  );
});

Deno.test("a port that is taken is bad, and who has it is told", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [{ verdict, text }] = await complaints(
    ...["-x", "process", "-l", `${port}`],
  );
  assertEquals(verdict, "bad");
  assertMatch(
    text,
    new RegExp(
      `^127.0.0.1#${port} over TCP is taken by \\S+ \\(process ${Deno.pid}\\): `,
    ),
  );
});

Deno.test("an address that no interface has cannot be bound", async () => {
  const [{ verdict, text }] = await complaints(
    ...["-x", "process", "-b", "192.0.2.99", "-l", "5399"],
  );
  assertEquals(verdict, "bad");
  assertMatch(text, /^192\.0\.2\.99#5399 over UDP cannot be had: no network/);
});

Deno.test("a command that is not there is bad, in the backend's own words", async () => {
  const found = await complaints(
    ...["-x", "process", "-l", `${freePort()}`],
    "dns=www.test,ip=127.0.0.2,name=www,command=/no/such/program",
  );
  assertEquals(found.map(({ verdict }) => verdict), ["doubtful", "bad"]);
  assertMatch(found[1].text, /^www: command=\/no\/such\/program: no such file/);
});

Deno.test({
  name: "libvirt's domains are looked up, and nothing is done to them",
  ignore: missing !== undefined,
  fn: async () => {
    const found = await findings(
      ...["-c", TEST_URI, "-f", "0.0.0.0", "-l", `${freePort()}`],
      "dns=a.test,ip=127.0.0.2,name=test",
      "dns=b.test,ip=127.0.0.3,name=tset",
    );
    const [yes, no] = ["test: the", "tset: "].map((start) =>
      found.find(({ text }) => text.startsWith(start))
    );
    assertEquals(yes?.text, "test: the backend has it, and it is running");
    assertEquals(no?.verdict, "bad");
    assertMatch(no!.text, /did you mean "test"/);
  },
});

Deno.test("a libvirt that cannot be reached is bad, and the unikernels are left alone", async () => {
  const found = await complaints(
    ...["-c", "qemu+unix:///system?socket=/nowhere", "-l", `${freePort()}`],
    "dns=a.test,ip=127.0.0.2,name=test",
  );
  assertEquals(found.map(({ verdict }) => verdict), ["doubtful", "bad"]);
  assertMatch(found[1].text, /^the backend libvirt: cannot /);
});

Deno.test("use_synjitsu without --synjitsu, --synjitsu without use_synjitsu or without Xen are told", async () => {
  const www = "dns=www.test,ip=127.0.0.2,name=www,kernel=k,memory=64MiB";
  const of = async (...argv: string[]) =>
    (await complaints("-x", "libxl", "-l", `${freePort()}`, ...argv))
      .filter(({ text }) => /synjitsu/i.test(text));
  assertEquals(await of(`${www},use_synjitsu=1`), [{
    verdict: "doubtful",
    text: "www: use_synjitsu has no effect without --synjitsu",
  }]);
  const uuid = "6e696eb7-09f4-484c-981b-8d34efa0304d";
  const [unused, unusable] = await of(`--synjitsu=${uuid}`, www);
  assertEquals(unused, {
    verdict: "doubtful",
    text: "Synjitsu is told of no unikernel: none has use_synjitsu=1",
  });
  assertEquals(unusable.verdict, "bad");
  assertMatch(unusable.text, /^Synjitsu: cannot (open|connect to) /);
});

Deno.test("an interface where nothing can be caught, and a unikernel that nobody waits for, are told", async () => {
  const found = await complaints(
    ...["-x", "libxl", "-l", `${freePort()}`, "--catch=no-bridge0"],
    "dns=www.test,ip=127.0.0.2,name=www,kernel=k,memory=64MiB",
    "dns=a.test,ip=127.0.0.3,name=a,kernel=k,memory=64MiB,wait_for_tcp=80",
  );
  assertEquals(found.filter(({ text }) => /catch|caught/.test(text)), [{
    verdict: "bad",
    text:
      "--catch: no-bridge0: there is no such network interface (see ip link)",
  }, {
    verdict: "doubtful",
    text:
      "www: what is caught is sent to it 0.1 s after its start, ready or not: give it wait_for_tcp",
  }]);
});

Deno.test("addresses that need a route or are given twice are doubtful", async () => {
  const found = await complaints(
    ...["-x", "process", "-l", `${freePort()}`],
    "dns=a.test,ip=203.0.113.9,name=a,command=true",
    "dns=b.test,ip=203.0.113.9,name=b,command=true",
  );
  assertMatch(found[1].text, /^a: 203\.0\.113\.9 is in no network/);
  assertMatch(found[2].text, /^b: its address 203\.0\.113\.9 is that of a too/);
});

Deno.test({
  name: "a DNS server that replies is good, one that does not is doubtful",
  ignore: !canDig,
  fn: async () => {
    await using jitsu = await Jitsu.start(
      ..."-x process -f 0.0.0.0".split(" "),
      PROCESS,
    );
    const dead = freePort();
    const of = async (port: number) =>
      (await findings(
        ...`-x process -l ${freePort()} -f 127.0.0.1 -p ${port}`.split(" "),
      )).find(({ text }) => text.includes(`127.0.0.1#${port}`));
    // It refuses to be asked for the root, which is a reply.
    assertMatch((await of(jitsu.port))!.text, /replies with response code/);
    assertEquals((await of(dead))!.verdict, "doubtful");
    assertMatch((await of(dead))!.text, /does not reply: try "dig/);
  },
});
