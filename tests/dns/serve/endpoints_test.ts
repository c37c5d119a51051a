import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { Access } from "../../../src/dns/serve/access.ts";
import { Cookies } from "../../../src/dns/serve/cookies.ts";
import { Guard } from "../../../src/dns/serve/guard.ts";
import { ListenError, Listeners } from "../../../src/dns/serve/endpoints.ts";
import { Responder } from "../../../src/dns/serve/responder.ts";
import { TokenBuckets } from "../../../src/dns/serve/token_buckets.ts";
import { Zone } from "../../../src/dns/zone/zone.ts";
import { canDig } from "../../e2e/harness.ts";

function responder(): Responder {
  const now = () => 0;
  const guard = new Guard({
    access: new Access([], now),
    cookies: new Cookies(now),
    starts: new TokenBuckets(1, 1, now),
    startProof: "never",
    unprovenStarts: new TokenBuckets(1, 1, now),
    maxUnproven: 4,
  });
  return new Responder(new Zone(1), guard, undefined, now);
}

Deno.test("a port that is taken is an error that says over what, and leaves nothing bound", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const error = assertThrows(
    () => new Listeners(responder(), "127.0.0.1", port),
    ListenError,
    "over TCP",
  );
  assertInstanceOf(error.cause, Deno.errors.AddrInUse);
  listener.close();
  const listeners = new Listeners(responder(), "127.0.0.1", port);
  assertEquals([listeners.addresses, listeners.port], [["127.0.0.1"], port]);
  await listeners.close();
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
