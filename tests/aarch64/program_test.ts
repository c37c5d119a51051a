/**
 * The program on aarch64: that every function it calls in C is there and takes what it is given. The rest of it is the
 * same on every machine.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { domainXml } from "../backends/libvirt/hypervisor.ts";
import { canDig, Jitsu } from "../e2e/harness.ts";

const isEmulated = Deno.env.has("JITSU_AARCH64");
if (!isEmulated) {
  // deno-lint-ignore no-console -- says why a test does not run
  console.log("skipped: aarch64 is tested by deno task test:aarch64");
}

Deno.test({
  name:
    "on aarch64 cold queries start domains and are answered, in batches, and idle domains are stopped",
  ignore: !isEmulated || !canDig,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(
        `${folder}/node.xml`,
        `<node>${
          domainXml(
            "vm",
            crypto.randomUUID(),
            "<test:runstate>5</test:runstate>", // VIR_DOMAIN_SHUTOFF
          )
        }</node>`,
      );
      await using jitsu = await Jitsu.start(
        "--backend=libvirt",
        `--connect=test://${folder}/node.xml`,
        "--forwarder=0.0.0.0",
        "dns=www.test,ip=192.0.2.1,name=vm,ttl=2,mode=suspend,suspend=disk",
      );
      for (const done of [/vm: started in/, /vm: resumed in/]) {
        const news = jitsu.log.length;
        const { status, answers, text } = await jitsu.ask("www.test", {
          timeout: 60,
        });
        assertEquals(
          [status, answers.map(({ data }) => data)],
          ["NOERROR", ["192.0.2.1"]],
          text,
        );
        await jitsu.logged(done, news);
        await jitsu.logged(/vm: suspended after/, news);
      }
      assert(
        !jitsu.log.some((line) => line.includes("one at a time")),
        jitsu.log.join("\n"),
      );
      assertEquals((await jitsu.stop()).code, 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
