import { assertEquals } from "@std/assert";
import { until } from "../until.ts";
import { canDig, freePort, REPOSITORY } from "../e2e/harness.ts";

Deno.test({
  name: "the lines that dev says to try work",
  ignore: !canDig,
  async fn() {
    const dev = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${REPOSITORY}src/demo/dev.ts`]
        .concat(String(freePort()), String(freePort())),
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    try {
      const output = dev.stdout.pipeThrough(new TextDecoderStream())
        .values();
      const { value: text } = await output.next();
      await output.return?.();
      const [, digArguments] = /^ +dig (.*)$/m.exec(text!)!;
      const [, url] = /^ +curl (.*)$/m.exec(text!)!;

      const address = await until("an answer", async () => {
        const { stdout } = await new Deno.Command("dig", {
          args: [...digArguments.split(" "), "+short", "+tries=1"],
        }).output();
        const line = new TextDecoder().decode(stdout).trim();
        return !line.startsWith(";") && line;
      });
      assertEquals(address, new URL(url).hostname);
      const response = await fetch(url);
      assertEquals(response.status, 200, await response.text());
    } finally {
      dev.kill("SIGTERM");
      assertEquals((await dev.status).code, 0);
    }
  },
});
