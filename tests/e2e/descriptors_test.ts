/**
 * A daemon without file descriptors for a while: what it cannot do then it does later.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { TestDirectory } from "../backends/process/support.ts";
import { until } from "../until.ts";
import { canDig, Jitsu, runJitsu } from "./harness.ts";

/** The most descriptors that the daemon may have, and connections that take what is left of them. */
const DESCRIPTORS = 64, CONNECTIONS = 60;

Deno.test({
  name:
    "after a time without file descriptors the operator is answered, machines are stopped and started, and the log is short",
  ignore: !canDig,
  async fn() {
    using dir = new TestDirectory();
    const control = `${dir.path}/control.sock`;
    await using jitsu = await Jitsu.startIn(
      ["sh", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "sh"],
      ...["--backend=process", "--forwarder=0.0.0.0", "--mode=shutdown"],
      `--control=${control}`,
      "dns=www.test,ip=127.0.0.2,name=www,ttl=1,command=sleep 1000",
    );
    assertEquals((await jitsu.dig("www.test")).status, "NOERROR");
    const idle = await Promise.all(
      Array.from(
        { length: CONNECTIONS },
        () => Deno.connect({ hostname: "127.0.0.1", port: jitsu.port }),
      ),
    );
    // It is to be stopped after 2 s, in the midst of that.
    await until(
      "the lack of descriptors to be logged",
      () => jitsu.log.some((line) => line.includes("Too many open files")),
    );
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const { code, stderr } = await runJitsu("status", `--control=${control}`);
    assert([0, 2].includes(code), stderr); // answered, or given up
    for (const connection of idle) connection.close();

    await until("the operator to be answered", async () => {
      const args = ["status", `--control=${control}`];
      return (await runJitsu(...args)).code === 0;
    });
    await until("the machine to be started again", async () => {
      const { status } = await jitsu.dig("www.test", { timeout: 5 });
      return status === "NOERROR";
    });
    const warnings = jitsu.log.filter((line) => / (WARN|ERROR) /.test(line));
    assert(warnings.length < 40, warnings.join("\n"));
  },
});
