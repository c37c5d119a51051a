import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { Access } from "../../../src/dns/serve/access.ts";
import { Cookies } from "../../../src/dns/serve/cookies.ts";
import { Guard } from "../../../src/dns/serve/guard.ts";
import { Endpoints, ListenError } from "../../../src/dns/serve/endpoints.ts";
import { Responder } from "../../../src/dns/serve/responder.ts";
import { TokenBuckets } from "../../../src/dns/serve/token_buckets.ts";
import { Zone } from "../../../src/dns/zone/zone.ts";
import { canDig } from "../../e2e/harness.ts";
import { parseName } from "../../../src/dns/wire/name.ts";
import { clientQuery } from "../queries.ts";
import { until } from "../../until.ts";

function responderFor(zone: Zone): Responder {
  const now = () => 0;
  const guard = new Guard({
    access: new Access([], now),
    cookies: new Cookies(now),
    starts: new TokenBuckets(1, 1, now),
    startProof: "never",
    unprovenStarts: new TokenBuckets(1, 1, now),
    maxUnproven: 4,
  });
  return new Responder(zone, guard, undefined, now);
}

Deno.test("a port that is taken is an error that says over what, and leaves nothing bound", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const error = assertThrows(
    () => new Endpoints([{ address: "127.0.0.1", port }], () => 0),
    ListenError,
    "over TCP",
  );
  assertInstanceOf(error.cause, Deno.errors.AddrInUse);
  listener.close();
  const bind = [{ address: "127.0.0.1", port }];
  const endpoints = new Endpoints(bind, () => 0);
  assertEquals(endpoints.addresses, [`127.0.0.1#${port}`]);
  await endpoints.close();
});

Deno.test("of several places each is bound once, with a port of its own, and none when one cannot be", async () => {
  const free = new Endpoints([{ address: "127.0.0.1", port: 0 }], () => 0);
  const [first] = free.bound;
  await free.close();
  const bind = [first, { address: "127.0.0.2", port: 0 }, first];
  const endpoints = new Endpoints(bind, () => 0);
  const [, second] = endpoints.bound;
  assertEquals(endpoints.bound, [first, second, first]);
  assertEquals(
    endpoints.addresses,
    [first, second].map(({ address, port }) => `${address}#${port}`),
  );
  const other = { address: "127.0.0.3", port: 0 };
  assertThrows(() => new Endpoints([other, second], () => 0), ListenError);
  await endpoints.close();
  await new Endpoints([first, second], () => 0).close();
});

Deno.test("the same query to two of its addresses is answered at both", async () => {
  const summoned = Promise.withResolvers<void>();
  const zone = new Zone(1);
  zone.add({
    addresses: ["192.0.2.1"],
    ttl: 60,
    summonable: { ready: false, summon: () => summoned.promise },
    usage: { note: () => {} },
  }, [parseName("slow.test")]);
  const endpoints = new Endpoints([
    { address: "127.0.0.1", port: 0 },
    { address: "127.0.0.2", port: 0 },
  ], () => 0);
  const responder = responderFor(zone);
  endpoints.serve(responder);
  const client = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  const { packet } = clientQuery("slow.test");
  for (const { address: hostname, port } of endpoints.bound) {
    await client.send(packet, { transport: "udp", hostname, port });
  }
  await until("both wait", () => responder.waiting === 2);
  summoned.resolve();
  const from = [await client.receive(), await client.receive()]
    .map(([, address]) => (address as Deno.NetAddr).port);
  assertEquals(
    from.toSorted(),
    endpoints.bound.map(({ port }) => port).toSorted(),
  );
  client.close();
  await endpoints.close();
});

const canUnshare = (await new Deno.Command("unshare", {
  args: ["--net", "true"],
  stderr: "null",
}).output()
  .catch(() => undefined))?.success ?? false;
if (!canUnshare) {
  // deno-lint-ignore no-console -- says why a test does not run
  console.log("skipped: a network namespace of the test's own takes root");
}

Deno.test({
  name:
    "bound to all addresses, each one answers as itself, over UDP and TCP, and those that come and go too",
  ignore: !canUnshare || !canDig,
  async fn() {
    const { code, stderr } = await new Deno.Command("unshare", {
      args: [
        "--net",
        Deno.execPath(),
        "run",
        "-A",
        new URL("endpoints_scenario.ts", import.meta.url).pathname,
      ],
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  },
});
