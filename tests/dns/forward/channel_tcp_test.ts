import { assertEquals, assertRejects } from "@std/assert";
import { exchangeOverTcp } from "../../../src/dns/forward/channel_tcp.ts";

/** A server for one connection. */
function listen(
  handle: (connection: Deno.TcpConn) => Promise<void>,
): { server: { address: string; port: number } } & AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = listener.accept().then(async (connection) => {
    try {
      await handle(connection);
    } finally {
      connection.close();
    }
  }).catch(() => {}); // whoever connects may leave at any time
  return {
    server: { address: "127.0.0.1", port: listener.addr.port },
    async [Symbol.asyncDispose]() {
      listener.close();
      await served;
    },
  };
}

const forever = () => new AbortController().signal;

Deno.test("a message goes out with its length before it, and one comes back however it is cut (RFC 7766 section 8)", async () => {
  const query = new Uint8Array(300).map((_, i) => i);
  const got: number[] = [];
  await using listening = listen(async (connection) => {
    const buffer = new Uint8Array(1000);
    while (got.length < 302) {
      got.push(...buffer.subarray(0, await connection.read(buffer) ?? 0));
    }
    connection.setNoDelay(true);
    for (const part of [[1], [4, 7], [...Array(259).fill(8)]]) {
      await connection.write(Uint8Array.from(part));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const reply = await exchangeOverTcp(query, listening.server, forever());
  assertEquals(got, [1, 44, ...query]);
  assertEquals(reply, Uint8Array.of(7, ...Array(259).fill(8)));
});

Deno.test("the largest message comes whole, and nothing of what follows it", async () => {
  await using listening = listen(async (connection) => {
    const octets = new Uint8Array(2 + 65535 + 100).fill(9);
    octets.set([255, 255]);
    for (let at = 0; at < octets.length;) {
      at += await connection.write(octets.subarray(at));
    }
  });
  const reply = await exchangeOverTcp(
    new Uint8Array(12),
    listening.server,
    forever(),
  );
  assertEquals(reply.length, 65535);
});

Deno.test("a connection that ends before the message does is an error", async () => {
  for (const part of [[], [0], [0, 12], [0, 12, 1, 2, 3]]) {
    await using listening = listen(async (connection) => {
      await connection.read(new Uint8Array(100));
      await connection.write(Uint8Array.from(part));
    });
    await assertRejects(
      () => exchangeOverTcp(new Uint8Array(12), listening.server, forever()),
      Error,
      "the connection ended early",
    );
  }
});

Deno.test("what is called off while it waits ends at once", async () => {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<number | null>();
  await using listening = listen(async (connection) => {
    const buffer = new Uint8Array(100);
    await connection.read(buffer);
    controller.abort(new Error("enough"));
    resolve(await connection.read(buffer));
  });
  await assertRejects(() =>
    exchangeOverTcp(
      new Uint8Array(12),
      listening.server,
      controller.signal,
    )
  );
  assertEquals(await promise, null); // it has closed the connection
  await assertRejects(
    () =>
      exchangeOverTcp(new Uint8Array(12), listening.server, controller.signal),
    Error,
    "enough",
  );
});
