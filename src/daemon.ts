/**
 * The daemon: builds the parts, starts them, and on SIGTERM or SIGINT stops them. Policy is in the parts themselves.
 *
 * @module
 */
import { Access } from "./dns/access.ts";
import { Cookies } from "./dns/cookies.ts";
import type { Network } from "./dns/network.ts";
import { TokenBuckets } from "./dns/token_buckets.ts";
import type { BackendDescription } from "./backends/backend.ts";
import { Recorder } from "./daemon/recorder.ts";
import { Registry } from "./daemon/registry.ts";
import {
  findServed,
  type ReadSpec,
  type Served,
  storeGiven,
} from "./daemon/stored.ts";
import { canonicalAddress } from "./dns/address.ts";
import { UpstreamForwarder } from "./dns/forwarder.ts";
import { ListenError, Listeners } from "./dns/listeners.ts";
import { Guard } from "./dns/guard.ts";
import { type Name, parseName, ROOT } from "./dns/name.ts";
import { ResolvConf } from "./dns/resolv_conf.ts";
import { Responder } from "./dns/responder.ts";
import { Route, Routes } from "./dns/routes.ts";
import { type Server, Upstream } from "./dns/upstream.ts";
import { Zone } from "./dns/zone.ts";
import { log } from "./log.ts";
import { MemoryStore } from "./store/memory.ts";
import { SqliteStore } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import { Summoner } from "./summon/summoner.ts";
import type { Unikernel } from "./summon/unikernel.ts";

/** Where names that are not ours are asked, and how the answers are kept. */
export interface Forwarding {
  /** Who is asked: nobody where there are none. Or a resolv.conf(5) that names them. */
  servers: Server[] | { path: string };
  /** Who is asked in their place about a domain and all below it: nobody where there are none. */
  domains: Map<string, Server[]>;
  /** How many answers are kept; 0 for none. */
  cacheSize: number;
  /** Seconds for which an answer that has expired may be given out where the servers fail; 0 for never. */
  serveStale: number;
}

/** Who is served, and how much. */
export interface Limits {
  /** Networks that may ask beside this host and those it is attached to. */
  allow: Network[];
  /** Responses over UDP to one client network that has not shown who it is; 0 for no limit. */
  responsesPerSecond: number;
  /** How many machines one client network may have started at once, and how many more a second after that. */
  startBurst: number;
  startsPerSecond: number;
  /** How many machines may be starting at the same time. */
  maxStarts: number;
  /** The name server identifier; none unless given. */
  nsid?: string;
}

/** Everything the command line says, checked. */
export interface DaemonOptions {
  /** IPv4 or IPv6 address to serve DNS on. */
  bind: string;
  /** UDP port to serve DNS on; 0 lets the system choose. */
  port: number;
  forwarding: Forwarding;
  backend: BackendDescription;
  /** `--connect`, for the backend. */
  connect: string;
  /** The backend's own options; a flag's value is empty. */
  settings: ReadonlyMap<string, string>;
  unikernels: Unikernel[];
  /** Reads a CONFIG that was not on the command line. */
  readSpec: ReadSpec;
  /** The path of the database; without one, what is known of the unikernels ends with the daemon. */
  persistdb?: string;
  limits: Limits;
  /** Whether machines are stopped, each in its mode, when the daemon exits. */
  stopOnExit: boolean;
}

/** The daemon could not start. The message may have several lines, one for each reason. */
export class StartError extends Error {
  override name = "StartError";
}

/** Milliseconds: how long clients that wait at SIGTERM are waited for, machines to stop, and all of it together. */
const DRAIN_TIME = 1000, STOP_TIME = 2500, EXIT_TIME = 4500;

/**
 * Serves until SIGTERM or SIGINT, then stops in good order and resolves.
 * Rejects with {@linkcode StartError} or `BackendError` when it cannot start.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  // What fails beside the point must be seen, and must not end the service.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log("jitsu").error(
      `internal error: ${event.reason?.stack ?? event.reason}`,
    );
  });
  const stopped = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => stopped.resolve(signal));
  }

  const store = await openStore(options.persistdb);
  const toServe = await findServed(
    store,
    options.unikernels,
    options.backend.name,
    options.readSpec,
  );
  if (toServe.length === 0) {
    log("jitsu").warn(
      "there are no unikernels: neither CONFIG nor database has one",
    );
  }
  const now = () => performance.now();
  const zone = new Zone(Date.now() / 1000);
  const forwarder = forwarderFor(options);
  const responder = new Responder(zone, guardFor(options, now), forwarder, now);
  const listeners = listen(responder, options);
  const { connect, settings } = options;
  const backend = await options.backend.open({ connect, settings });
  const summoner = new Summoner({
    now,
    maxStarts: options.limits.maxStarts,
    waitForXenstoreKey: async (...wait) => {
      const { waitForXenstoreKey } = await import("./xen/wait_for_key.ts");
      await waitForXenstoreKey(...wait);
    },
    onTransition: (summoned, transition) =>
      recorder.noteTransition(summoned, transition),
  });
  const registry = new Registry(backend, zone, summoner);
  const recorder = new Recorder(store, now, () => registry.all());
  try {
    await serveAll(registry, recorder, toServe);
  } catch (error) {
    summoner.close();
    await backend.close();
    throw error;
  }
  await storeGiven(store, options.unikernels, options.backend.name);
  listeners.serve();
  const { bind } = options, { port } = listeners;
  log("jitsu").info(`serving DNS on ${bind}#${port}`, { address: bind, port });

  const signal = await stopped.promise;
  log("jitsu").info(`${signal}: stopping`);
  await within(EXIT_TIME, async () => {
    listeners.drain();
    await within(DRAIN_TIME, () => responder.idle());
    // Whoever still waits is told, rather than left to wait.
    const reason = new Error("Jitsu is shutting down");
    forwarder?.close(reason);
    if (options.stopOnExit) {
      await summoner.stopAll("Jitsu is shutting down", STOP_TIME);
    }
    summoner.close();
    recorder.close();
    await within(DRAIN_TIME, () => responder.idle());
    await listeners.close();
    await Promise.all([store.close(), backend.close()]);
  });
  log("jitsu").info("stopped");
}

function forwarderFor(
  { forwarding, bind, port }: DaemonOptions,
): UpstreamForwarder | undefined {
  const { servers, domains, cacheSize, serveStale } = forwarding;
  const isSelf = (server: Server) =>
    server.port === port && isOwnAddress(server.address, bind);
  const routeTo = (domain: Name, servers: Server[]) => {
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
  return new UpstreamForwarder({ routes, cacheSize, serveStale });
}

/** Whether packets to an address come to a socket that is bound to `bind`, as the interfaces are now. */
function isOwnAddress(address: string, bind: string): boolean {
  if (bind !== "0.0.0.0" && bind !== "::") return address === bind;
  return address.startsWith("127.") ||
    Deno.networkInterfaces().some((each) =>
      canonicalAddress(each.address) === address
    );
}

function guardFor({ limits }: DaemonOptions, now: () => number): Guard {
  const { allow, responsesPerSecond, startBurst, startsPerSecond, nsid } =
    limits;
  return new Guard({
    access: new Access(allow, now),
    cookies: new Cookies(() => Date.now() / 1000),
    responses: responsesPerSecond === 0
      ? undefined
      : new TokenBuckets(responsesPerSecond, 2 * responsesPerSecond, now),
    starts: new TokenBuckets(startsPerSecond, startBurst, now),
    nsid,
  });
}

/** Binds the sockets, and says in words what to do where that cannot be done. */
function listen(
  responder: Responder,
  { bind, port }: DaemonOptions,
): Listeners {
  try {
    return new Listeners(responder, bind, port);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    throw new StartError(`${error.message}: ${remedyFor(error)}`);
  }
}

function remedyFor({ cause, protocol }: ListenError): string {
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

async function openStore(path: string | undefined): Promise<Store> {
  if (path === undefined) return new MemoryStore();
  return await SqliteStore.open(path, {
    onTrouble: (trouble) =>
      log("jitsu").warn(
        `${trouble}; DNS goes on, and what is to be stored is kept in memory until it can be`,
      ),
    onRecovery: (missing) => {
      log("jitsu").info(
        `database ${path}: it can be written again${
          missing === 0
            ? ""
            : `; ${missing} changes of state are missing in its history`
        }`,
      );
    },
  });
}

/** Serves all of them, or says of all that cannot be served why. */
async function serveAll(
  registry: Registry,
  recorder: Recorder,
  served: readonly Served[],
): Promise<void> {
  const outcomes = await Promise.allSettled(
    served.map(({ unikernel, statistics }) =>
      registry.put(
        unikernel,
        statistics && recorder.recall(unikernel.name, statistics),
      )
    ),
  );
  const errors = outcomes.flatMap((each, i) =>
    each.status === "rejected"
      ? [`${served[i].unikernel.name}: ${each.reason?.message ?? each.reason}`]
      : []
  );
  if (errors.length > 0) throw new StartError(errors.join("\n"));
}

/** Waits for work, but not longer than that many milliseconds. */
async function within(limit: number, work: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limited = new Promise<void>((resolve) =>
    timer = setTimeout(resolve, limit)
  );
  await Promise.race([work(), limited]);
  clearTimeout(timer);
}
