/**
 * The operator's end of the control socket, against daemons that do not do what they should.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { TestDirectory } from "../backends/process/support.ts";
import { ControlClient } from "../../src/control/client.ts";
import { Unreachable } from "../../src/control/protocol.ts";
import { ControlServer } from "../../src/control/server.ts";

const STRANGER = 65_534;

Deno.test("a daemon that does not answer is given up after a while", async () => {
  using dir = new TestDirectory();
  const path = `${dir.path}/sock`;
  // The kernel takes connections for it, as for a daemon that hangs.
  using _hangs = Deno.listen({ transport: "unix", path });
  using client = await ControlClient.connect(path, 50);
  await assertRejects(
    () => client.call({ command: "status" }).next(),
    Unreachable,
    "no answer for 0.05 s: it hangs, or is out of file descriptors",
  );
});

Deno.test("a reply that takes longer than that is waited for while the daemon lives", async () => {
  using dir = new TestDirectory();
  const path = `${dir.path}/sock`;
  const done = Promise.withResolvers<void>();
  const server = await ControlServer.open(path, async () => {
    await done.promise;
    return { result: "done" };
  });
  try {
    using client = await ControlClient.connect(path, 5_000);
    const reply = client.call({ command: "status" }).next();
    setTimeout(() => done.resolve(), 6_000);
    assertEquals(await reply, { done: true, value: "done" });
  } finally {
    server.close();
  }
});

Deno.test({
  name:
    "a socket that a stranger put into a directory of others is not talked to",
  ignore: Deno.uid() !== 0,
  async fn() {
    using dir = new TestDirectory();
    const path = `${dir.path}/sock`;
    using _listener = Deno.listen({ transport: "unix", path });
    Deno.chownSync(path, STRANGER, STRANGER);
    const error = await assertRejects(
      () => ControlClient.connect(path),
      Unreachable,
    );
    assert(error.message.includes(`belongs to user ${STRANGER}`));
    // The directory of a service's own user is that user's.
    Deno.chownSync(dir.path, STRANGER, STRANGER);
    (await ControlClient.connect(path))[Symbol.dispose]();
  },
});
