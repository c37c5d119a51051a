/**
 * The daemon: opens its parts, serves, and on SIGTERM or SIGINT closes them. Policy is in the parts themselves.
 *
 * @module
 */
import { turnClock } from "../clock.ts";
import { ControlError } from "../control/protocol.ts";
import { ControlServer, type Handler } from "../control/server.ts";
import { collectGarbage } from "./garbage.ts";
import { forwarderFor, guardFor, listen, upstreamsOf } from "./dns.ts";
import { Holders } from "./holders.ts";
import { Operator } from "../operate/operator.ts";
import { type DaemonOptions, StartError } from "./options.ts";
import { Parts } from "./parts.ts";
import { Signals } from "./signals.ts";
import { Recorder } from "../fleet/recorder.ts";
import { Registry } from "../fleet/fleet.ts";
import { findServed, type Served, storeGiven } from "../fleet/stored.ts";
import { outliveUnhandled } from "./unhandled.ts";
import { memoryIn } from "./memory.ts";
import { Responder } from "../dns/serve/responder.ts";
import { Zone } from "../dns/zone/zone.ts";
import { socketName } from "../net/socket_address.ts";
import { log } from "../log.ts";
import { ServiceManager } from "../service/notify.ts";
import { MemoryStore } from "../store/memory.ts";
import { SqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { Summoner } from "../fleet/summoner.ts";
import { unlessAborted, within } from "../wait.ts";

/** From how many names on what reading them leaves behind is worth a pause before anything is served. */
const MANY_NAMES = 1000;
/** Milliseconds: how long clients that wait at SIGTERM are waited for, machines to stop, and all of it together. */
const DRAIN_TIME = 1000, STOP_TIME = 2500, EXIT_TIME = 4500;
/** Why those who wait get no answer any more. */
const SHUTTING_DOWN = "Jitsu is shutting down";

/**
 * Serves until SIGTERM or SIGINT, then stops in good order and resolves; likewise when they come before it serves.
 * Rejects with {@linkcode StartError}, `BackendError` or `StoreError` when it cannot start, and nothing is left then.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  using _unhandled = outliveUnhandled();
  using signals = new Signals();
  const { stop } = signals;
  const manager = ServiceManager.find();
  const parts = new Parts(stop);
  try {
    await start(options, parts, signals, manager);
    await unlessAborted(stop, new Promise<never>(() => {}));
  } catch (error) {
    if (error !== stop.reason) throw error;
    log("jitsu").info(`${stop.reason.message}: stopping`, {
      event: "stopping",
      signal: stop.reason.message,
    });
    manager?.stopping();
  } finally {
    await parts.close(EXIT_TIME);
  }
  log("jitsu").info("stopped", { event: "stopped" });
}

/** Opens all parts, the ones that others need first, and serves. */
async function start(
  options: DaemonOptions,
  parts: Parts,
  signals: Signals,
  manager: ServiceManager | undefined,
): Promise<void> {
  let stored = Promise.resolve();
  let isServing = false;
  const store = await parts.open(
    "the database",
    () => openStore(options.persistdb),
    async (store) => {
      await stored;
      await store.close();
    },
  );
  const given = { ...options, backend: options.backend.name };
  const found = await findServed(store, given, options.readSpec);
  const toServe = found.served;
  if (toServe.length === 0) {
    log("jitsu").warn(
      "there are no unikernels: neither CONFIG nor database has one",
      { event: "no-unikernels" },
    );
  }
  const now = turnClock();
  const zone = new Zone(Date.now() / 1000);
  const forwarder = forwarderFor(options);
  const responder = new Responder(zone, guardFor(options, now), forwarder, now);
  const endpoints = await parts.open(
    "the sockets",
    () => listen(options, now),
    async (endpoints) => {
      await within(DRAIN_TIME, responder.idle());
      await endpoints.close();
    },
  );
  const holders = await parts.open(
    "the catching of first connections",
    () => Holders.open(options, now),
    (holders) => holders.close(),
  );
  const { connect, settings } = options;
  const memory = memoryIn(store, options.backend.name);
  const backend = await parts.open(
    "the backend",
    () => options.backend.open({ connect, settings, memory }),
    (backend) => backend.close(),
  );
  const id = await store.id();
  const summoner = new Summoner({
    id,
    now,
    holders: holders.all,
    maxStarts: options["max-starts"],
    waitForXenstoreKey: async (...wait) => {
      const { waitForXenstoreKey } = await import("../xen/wait_for_key.ts");
      await waitForXenstoreKey(...wait);
    },
  });
  const registry = new Registry(
    backend,
    zone,
    summoner,
    options.synjitsu !== undefined,
  );
  const recorder = new Recorder(
    store,
    now,
    () => registry.all(),
    summoner.transitions,
  );
  if (options.persistdb !== undefined) recorder.count();
  const operator = new Operator({
    ...given,
    registry,
    store,
    recorder,
    now,
    upstreams: () => upstreamsOf(forwarder),
  });
  parts.add("the counting of requests", () => recorder.close());
  parts.add("the summoner", async () => {
    if (isServing && options["stop-on-exit"]) {
      await summoner.stopAll(SHUTTING_DOWN, STOP_TIME);
    }
    summoner.close();
  });
  // Whoever still waits is told, rather than left to wait.
  parts.add(
    "the forwarder",
    () => forwarder?.close(new Error(SHUTTING_DOWN)),
  );
  parts.add("the queries", async () => {
    endpoints.drain();
    await within(DRAIN_TIME, responder.idle());
  });
  await unlessAborted(signals.stop, serveAll(registry, recorder, toServe));
  await parts.open(
    "the control socket",
    () => openControl(options, operator.handle),
    (control) => control?.close(),
  );
  // A disk that takes its time keeps nobody waiting.
  stored = storeGiven(store, found, given);
  const names = toServe.reduce(
    (sum, each) => sum + each.unikernel.dns.length,
    0,
  );
  if (names >= MANY_NAMES) collectGarbage();
  isServing = true;
  endpoints.serve(responder);
  for (const at of endpoints.bound) {
    log("jitsu").info(`serving DNS on ${socketName(at)}`, { ...at });
  }
  manager?.ready(
    `serving DNS on ${endpoints.bound.map(socketName).join(", ")}`,
  );
  signals.onHangUp(() => operator.hangUp());
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

/** Opens the operator's socket, without which Jitsu can do unless it was chosen. */
async function openControl(
  { control }: DaemonOptions,
  handle: Handler,
): Promise<ControlServer | undefined> {
  if (control === undefined) return undefined;
  try {
    return await ControlServer.open(control.path, handle);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (control.isChosen) throw new StartError(error.message);
    log("jitsu").warn(error.message);
  }
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
