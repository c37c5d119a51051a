import { assertMatch } from "@std/assert";
import { canDig, Jitsu, runJitsu } from "./harness.ts";

Deno.test({
  name: "the doctor knows a Jitsu that runs, compiled or not",
  ignore: !canDig,
  async fn() {
    const args = [
      "--backend=process",
      "--forwarder=0.0.0.0",
      "dns=www.test,ip=127.0.0.2,name=www,command=sleep 1000",
    ];
    await using jitsu = await Jitsu.start(...args);
    const port = `--listen=${jitsu.port}`;
    const { stdout } = await runJitsu("doctor", port, ...args);
    for (const protocol of ["UDP", "TCP"]) {
      assertMatch(
        stdout,
        new RegExp(
          `ok .*#${jitsu.port} over ${protocol} is served by a Jitsu that runs`,
        ),
      );
    }
  },
});
