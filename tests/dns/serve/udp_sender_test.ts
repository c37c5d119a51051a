import { assertEquals } from "@std/assert";
import { libc } from "../../../src/ffi/libc.ts";
import { findSocket } from "../../../src/net/mmsg.ts";
import { KnownPeer } from "../../../src/net/peer.ts";
import { UdpSender } from "../../../src/dns/serve/udp_sender.ts";

/** A sender on a socket of one family, and a socket of IPv4 to send to. */
function setUp(hostname: string) {
  const listen = (hostname: string) =>
    Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const stack = new DisposableStack();
  const socket = stack.adopt(listen(hostname), (each) => each.close());
  const target = stack.adopt(listen("127.0.0.1"), (each) => each.close());
  const address = socket.addr as Deno.NetAddr;
  const refused: [packet: number[], port: number][] = [];
  const sender = new UdpSender(
    libc(),
    findSocket(libc(), address),
    hostname.includes(":"),
    (packet, { port }) => void refused.push([[...packet], port]),
  );
  const { port } = target.addr as Deno.NetAddr;
  const peer = new KnownPeer({ hostname: "127.0.0.1", port });
  return { stack, sender, target, peer, refused };
}

for (const [family, hostname] of [["IPv4", "127.0.0.1"], ["IPv6", "::"]]) {
  Deno.test(`packets of one turn, more than a batch of them, leave in order by a socket of ${family}`, async () => {
    const { stack, sender, target, peer, refused } = setUp(hostname);
    using _ = stack;
    const packet = new Uint8Array(3);
    for (let i = 0; i < 150; i++) {
      packet.fill(i);
      sender.send(packet.subarray(i % 2), peer);
    }
    for (let i = 0; i < 150; i++) {
      const [received] = await target.receive();
      assertEquals([...received], Array(3 - i % 2).fill(i));
    }
    assertEquals(refused, []);
  });
}

Deno.test("what the kernel does not take is given back, and all else is sent", async () => {
  const { stack, sender, target, peer, refused } = setUp("127.0.0.1");
  using _ = stack;
  const nowhere = new KnownPeer({ hostname: "127.0.0.1", port: 0 });
  sender.send(Uint8Array.of(1), nowhere);
  sender.send(Uint8Array.of(2), peer);
  sender.send(Uint8Array.of(3, 4), nowhere);
  sender.send(Uint8Array.of(5), peer);
  assertEquals([...(await target.receive())[0]], [2]);
  assertEquals([...(await target.receive())[0]], [5]);
  assertEquals(refused, [[[1], 0], [[3, 4], 0]]);
});
