import { assert, assertEquals } from "@std/assert";
import { LateResponses } from "../../../src/dns/serve/late_responses.ts";
import { Inquiry } from "../../../src/dns/wire/inquiry.ts";
import { KnownPeer } from "../../../src/net/peer.ts";
import { clientQuery } from "../../dns/queries.ts";

/** Late responses that are told apart by who got which octet. */
function setUp() {
  const late = new LateResponses(() => performance.now());
  const sent: [string, number][] = [];
  const writing = (octet: number) => (out: Uint8Array) => {
    out[0] = octet;
    return 1;
  };
  const add = (hostname: string, port: number, answer: Promise<number>) => {
    const { packet, query } = clientQuery(`${port}.example.net`);
    const inquiry = new Inquiry(query);
    inquiry.packet = packet;
    inquiry.peer = new KnownPeer({ hostname, port });
    inquiry.transport = {
      label: "",
      verified: false,
      limit: () => 512,
      send: ([octet], peer) => sent.push([peer.hostname, octet]),
    };
    return late.add(
      inquiry,
      async () => writing(await answer),
      () => writing(2),
    );
  };
  return { late, sent, add };
}

Deno.test("one network that waits for more than there is room for is told so, and the others are answered", async () => {
  const { late, sent, add } = setUp();
  const never = Promise.withResolvers<number>();
  for (let i = 0; i < 5000; i++) {
    // From another address of the same network each time, as a forger can.
    const hostname = `2001:db8:0:${(i % 200).toString(16)}::1`;
    assertEquals(add(hostname, i, never.promise), "under way");
  }
  for (const hostname of ["127.0.0.1", "192.0.2.7", "2001:db8:1::1"]) {
    assertEquals(add(hostname, 53, Promise.resolve(0)), "under way");
  }
  await Promise.resolve();
  never.resolve(1);
  await late.idle();
  const given = sent.filter(([, octet]) => octet === 2);
  assert(given.length > 0 && given.length < 100, `${given.length}`);
  assert(given.every(([hostname]) => hostname.startsWith("2001:db8:0:")));
  assertEquals(sent.filter(([, octet]) => octet === 0).length, 3);
  assertEquals(sent.length, 5003);
});

Deno.test("one who was told that there are too many is told nothing more", async () => {
  const { late, sent, add } = setUp();
  const answer = Promise.withResolvers<number>();
  for (let i = 0; i < 5000; i++) add("192.0.2.1", i, answer.promise);
  add("203.0.113.1", 1, Promise.resolve(0));
  answer.resolve(1);
  await late.idle();
  assertEquals(sent.length, 5001);
});
