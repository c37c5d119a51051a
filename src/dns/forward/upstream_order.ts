/**
 * Which upstream server is asked first, and which next.
 *
 * The fast ones share the load. One that is slow or has failed is tried again now and then by a query that goes to a
 * fast one as well, and is preferred as soon as it wins: finding out costs nobody any time.
 *
 * @module
 */
import type { Upstream } from "./upstream.ts";

/** A server is as good as the fastest when its round trip is at most this much longer, in milliseconds, or by half. */
const AS_GOOD = 10;

/** Who is asked, in order; `probe` is asked at the same time as the first. */
export interface Order {
  servers: Upstream[];
  probe: Upstream | undefined;
}

/** Puts servers in order, those that work first. Whoever asks for an order sends the probe. */
export function orderOf(
  all: readonly Upstream[],
  now: number,
  random: () => number = Math.random,
): Order {
  if (all.length <= 1) return { servers: [...all], probe: undefined };
  const working = all.filter((each) => each.works)
    .sort((a, b) => a.roundTrip - b.roundTrip);
  const others = all.filter((each) => !each.works)
    .sort((a, b) => a.failures - b.failures);
  const servers = [...working, ...others];
  if (working.length > 1) {
    const fastest = working[0].roundTrip;
    const limit = fastest + Math.max(AS_GOOD, fastest / 2);
    const near = working.filter(({ roundTrip }) => roundTrip <= limit).length;
    servers.unshift(...servers.splice(Math.floor(near * random()), 1));
  }
  const probe = servers.slice(1).find((each) => each.wantsProbe(now));
  probe?.probed(now);
  return { servers, probe };
}
