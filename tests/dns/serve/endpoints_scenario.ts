/**
 * Run by endpoints_test.ts in a network namespace of its own, as root: a host whose addresses come and go.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Access } from "../../../src/dns/serve/access.ts";
import { Cookies } from "../../../src/dns/serve/cookies.ts";
import { Guard } from "../../../src/dns/serve/guard.ts";
import { Endpoints } from "../../../src/dns/serve/endpoints.ts";
import { parseName } from "../../../src/dns/wire/name.ts";
import { Responder } from "../../../src/dns/serve/responder.ts";
import { TokenBuckets } from "../../../src/dns/serve/token_buckets.ts";
import { Zone } from "../../../src/dns/zone/zone.ts";
import { until } from "../../until.ts";

async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout, success } = await new Deno.Command(program, { args })
    .output();
  return success ? new TextDecoder().decode(stdout) : "";
}

await run("ip", "link", "set", "lo", "up");
await run("ip", "address", "add", "192.0.2.1/24", "dev", "lo");
// With duplicate address detection nobody can bind to it until the kernel has got round to that.
await run("ip", "address", "add", "2001:db8::1/64", "dev", "lo", "nodad");

const now = () => performance.now();
const zone = new Zone(1);
zone.add({
  addresses: ["203.0.113.1"],
  ttl: 60,
  usage: { note: () => {} },
  summonable: { ready: true, summon: () => Promise.resolve() },
}, [parseName("www.example.org")]);
const guard = new Guard({
  access: new Access([], now),
  cookies: new Cookies(() => 0),
  starts: new TokenBuckets(1, 10, now),
  startProof: "never",
  unprovenStarts: new TokenBuckets(1, 1, now),
  maxUnproven: 4,
});

const endpoints = new Endpoints([{ address: "::", port: 0 }], now);
endpoints.serve(new Responder(zone, guard, undefined, now));
const [{ port }] = endpoints.bound;

/** What dig gets, which takes an answer only from the address it asked. */
const ask = (address: string, ...args: string[]) =>
  run(
    "dig",
    `@${address}`,
    "-p",
    String(port),
    "+short",
    "+tries=1",
    "+timeout=2",
    ...args,
    "www.example.org",
  );

for (const address of ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1"]) {
  assertEquals(await ask(address), "203.0.113.1\n", address);
  assertEquals(
    await ask(address, "+tcp"),
    "203.0.113.1\n",
    `${address} over TCP`,
  );
}
await run("ip", "address", "add", "192.0.2.2/24", "dev", "lo");
await until(
  "the new address is served",
  async () => (await ask("192.0.2.2")).startsWith("203"),
);
await run("ip", "address", "del", "192.0.2.2/24", "dev", "lo");
await until(
  "the address that is gone is not",
  () => !endpoints.addresses.includes(`192.0.2.2#${port}`),
);
assert((await ask("192.0.2.1")).startsWith("203"));
await endpoints.close();
