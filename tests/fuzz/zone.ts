/**
 * Responders to be fed with hostile packets in this process: one that refuses what is not its own, one that forwards.
 *
 * @module
 */
import { Access } from "../../src/dns/serve/access.ts";
import { Cookies } from "../../src/dns/serve/cookies.ts";
import { Guard } from "../../src/dns/serve/guard.ts";
import { parseName } from "../../src/dns/wire/name.ts";
import { parseNetwork } from "../../src/net/network.ts";
import { Type } from "../../src/dns/wire/constants.ts";
import { decodeMessage } from "../../src/dns/wire/message.ts";
import { resolutionOf } from "../../src/dns/forward/resolution.ts";
import type { Forwarder } from "../../src/dns/forward/forwarder.ts";
import { Responder } from "../../src/dns/serve/responder.ts";
import { TokenBuckets } from "../../src/dns/serve/token_buckets.ts";
import { upstreamQuestion } from "../../src/dns/forward/upstream_query.ts";
import type { Host } from "../../src/dns/zone/hosts.ts";
import { Zone } from "../../src/dns/zone/zone.ts";

/** A client network that may ask, beside this host. */
export const ALLOWED = "192.0.2.0/24";

/** Milliseconds on the clock of the responders: it stands still but for what the fuzzer moves it. */
export const clock = { now: 0 };
const now = () => clock.now;

function host(
  addresses: string[],
  ready: boolean,
  summon: () => Promise<void>,
): Host {
  return {
    addresses,
    ttl: 60,
    summonable: { ready, summon },
    usage: { note: () => {} },
  };
}

/** A zone with a name that is ready, one whose host comes when summoned, one whose host fails, and a big one. */
function makeZone(): Zone {
  const zone = new Zone(1);
  const ready = host(
    ["192.0.2.1", "2001:db8::1"],
    true,
    () => Promise.resolve(),
  );
  zone.add(ready, ["www.jitsu.test", "jitsu.test"].map(parseName));
  const many = Array.from({ length: 200 }, (_, i) => `198.51.100.${i}`);
  zone.add(
    host(many, true, () => Promise.resolve()),
    [parseName("many.jitsu.test")],
  );
  zone.add(
    host(["192.0.2.2"], false, () => Promise.resolve()),
    [parseName("cold.jitsu.test")],
  );
  const fails = () => Promise.reject(new Error("it went off again"));
  zone.add(
    host(["192.0.2.3"], false, fails),
    [parseName("broken.jitsu.test")],
  );
  zone.addPointer("192.0.2.1", parseName("www.jitsu.test"), 60);
  return zone;
}

/** A responder for names of its own alone, or with somebody to ask about all others. */
export function makeResponder(forwarder?: Forwarder): Responder {
  const guard = new Guard({
    access: new Access([parseNetwork(ALLOWED)!], now, () => []),
    cookies: new Cookies(() => clock.now / 1000, new Uint8Array(16)),
    responses: new TokenBuckets(1000, 2000, now),
    starts: new TokenBuckets(1, 64, now),
    startProof: "never",
    unprovenStarts: new TokenBuckets(1, 1, now),
    maxUnproven: 4,
    nsid: "fuzz",
  });
  return new Responder(makeZone(), guard, forwarder, now);
}

/** Somebody to ask, who has an answer to every other question, after a while. */
let turn = 0;
export const stubForwarder: Forwarder = {
  find: () => undefined,
  hasRoute: () => false,
  async resolve(packet, query) {
    await Promise.resolve();
    if (turn++ % 2 === 0) throw new Error("nobody is there");
    const { questions: [question], ...message } = decodeMessage(packet);
    const { name } = question;
    const address = Uint8Array.of(192, 0, 2, 3);
    const record = { name, type: Type.A, class: 1, ttl: 60, rdata: address };
    return resolutionOf(
      { ...message, questions: [question], answers: [record], authorities: [] },
      upstreamQuestion(packet, query),
    );
  },
};
