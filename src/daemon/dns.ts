/**
 * The daemon's DNS side, built as it was told: who is asked, who is served, where it listens.
 *
 * @module
 */
import { Access } from "../dns/serve/access.ts";
import { isBoundTo } from "../net/own_addresses.ts";
import { Cookies } from "../dns/serve/cookies.ts";
import { UpstreamForwarder } from "../dns/forward/forwarder.ts";
import { Guard } from "../dns/serve/guard.ts";
import type { UpstreamStatus } from "../control/protocol.ts";
import {
  Endpoints,
  ListenError,
  type Protocol,
} from "../dns/serve/endpoints.ts";
import { formatName, type Name, parseName, ROOT } from "../dns/wire/name.ts";
import { ResolvConf } from "../dns/forward/resolv_conf.ts";
import { Route, Routes } from "../dns/forward/routes.ts";
import { TokenBuckets } from "../dns/serve/token_buckets.ts";
import type { SocketAddress } from "../net/socket_address.ts";
import { Upstream } from "../dns/forward/upstream.ts";
import { type DaemonOptions, StartError } from "./options.ts";

/** Who is asked about names that are not ours; nobody where forwarding is off. */
export function forwarderFor(
  { forwarding, bind }: DaemonOptions,
): UpstreamForwarder | undefined {
  const { servers, domains, cacheSize, serveStale, privateAnswers } =
    forwarding;
  const isSelf = (server: SocketAddress) => isBoundTo(bind, server);
  const routeTo = (domain: Name, servers: SocketAddress[]) => {
    const upstreams = servers.map((server) => new Upstream(server));
    const source = () => Promise.resolve(upstreams);
    return new Route(domain, servers.length > 0 ? source : undefined, isSelf);
  };
  let fallback: Route | undefined;
  if (!Array.isArray(servers)) {
    const file = new ResolvConf(servers.path);
    fallback = new Route(ROOT, () => file.servers(), isSelf);
  } else if (servers.length > 0) {
    fallback = routeTo(ROOT, servers);
  }
  if (fallback === undefined && domains.size === 0) return undefined;
  const routes = new Routes(
    fallback,
    [...domains].map(([domain, servers]) =>
      routeTo(parseName(domain), servers)
    ),
  );
  return new UpstreamForwarder({
    routes,
    cacheSize,
    serveStale,
    privateAnswers: {
      when: privateAnswers.when,
      exceptions: privateAnswers.exceptions.map((each) => parseName(each)),
    },
  });
}

/** How the servers are that are asked, for the operator. */
export async function upstreamsOf(
  forwarder: UpstreamForwarder | undefined,
): Promise<UpstreamStatus[]> {
  const routes = await forwarder?.servers() ?? [], now = performance.now();
  return routes.flatMap(({ domain, servers }) =>
    servers.map((server) => ({
      domain: formatName(domain),
      server: server.name,
      works: server.works,
      roundTrip: server.roundTrip === Infinity
        ? null
        : Math.round(server.roundTrip * 10) / 10,
      failures: server.failures,
      lacks: server.lacks(now),
    }))
  );
}

/** How many REFUSED a second one network gets that may not ask. */
const REFUSALS_PER_SECOND = 10;

/** How many machines are started at once, and then one a second, for neighbours who have not shown who they are. */
const UNPROVEN_STARTS = 8;

/** How many machines one client network may have started a second, beyond those at once. */
const STARTS_PER_SECOND = 1;

/** Who is served, and how much. `now` is a monotonic clock in milliseconds. */
export function guardFor(options: DaemonOptions, now: () => number): Guard {
  const responsesPerSecond = options["rate-limit"];
  const startBurst = options["start-limit"];
  return new Guard({
    access: new Access(options.allow, now),
    cookies: new Cookies(() => Date.now() / 1000),
    responses: responsesPerSecond === 0
      ? undefined
      : new TokenBuckets(responsesPerSecond, 2 * responsesPerSecond, now),
    refusals: responsesPerSecond === 0
      ? undefined
      : new TokenBuckets(REFUSALS_PER_SECOND, REFUSALS_PER_SECOND, now),
    front: options.front,
    starts: new TokenBuckets(STARTS_PER_SECOND, startBurst, now),
    startProof: options["start-proof"],
    unprovenStarts: new TokenBuckets(1, UNPROVEN_STARTS, now),
    maxUnproven: Math.ceil(options["max-starts"] / 2),
    nsid: options.nsid,
  });
}

/** Binds the sockets. Throws {@linkcode StartError}, which says what to do, where that cannot be done. */
export function listen(
  { bind }: DaemonOptions,
  now: () => number,
): Endpoints {
  try {
    return new Endpoints(bind, now);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    const { message, cause, protocol } = error;
    throw new StartError(`${message}: ${remedyFor(cause, protocol)}`);
  }
}

/** What to do when a socket could not be bound for that reason. */
export function remedyFor(cause: unknown, protocol: Protocol): string {
  if (cause instanceof Deno.errors.AddrInUse) {
    const option = protocol === "UDP" ? "-lunp" : "-ltnp";
    return `the port is taken; see who has it with "ss ${option}", or choose another with --listen`;
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return 'no network interface has that address; see "ip address", and --bind';
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return "ports below 1024 need root or CAP_NET_BIND_SERVICE; or choose another with --listen";
  }
  return String(cause);
}
