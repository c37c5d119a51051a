import { assertEquals, assertRejects } from "@std/assert";
import { TestDirectory } from "../backends/process/support.ts";
import { ControlClient } from "../../src/control/client.ts";
import { ControlError } from "../../src/control/protocol.ts";
import { ControlServer } from "../../src/control/server.ts";

/** What a client is told whose request fails with this. */
async function refusal(failure: Error): Promise<ControlError> {
  using dir = new TestDirectory();
  const path = `${dir.path}/sock`;
  const server = await ControlServer.open(path, () => Promise.reject(failure));
  try {
    using client = await ControlClient.connect(path, 60_000);
    return await assertRejects(
      () => client.call({ command: "status" }).next(),
      ControlError,
    );
  } finally {
    server.close();
  }
}

Deno.test("a refusal says whether the request was at fault, or could not be done", async () => {
  for (const usage of [true, false]) {
    const { problems, ...told } = await refusal(
      new ControlError(["no such mode", "no such name"], usage),
    );
    assertEquals([told.usage, problems], [
      usage,
      ["no such mode", "no such name"],
    ]);
  }
});

Deno.test("an error of ours is told as one, and the request was not at fault", async () => {
  const { usage, problems } = await refusal(new TypeError("x is undefined"));
  assertEquals(usage, false);
  assertEquals(problems, ["internal error: x is undefined"]);
});
