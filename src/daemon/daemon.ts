/**
 * The daemon: builds the parts, starts them, and on SIGTERM or SIGINT stops them. Policy is in the parts themselves.
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
import { Recorder } from "../fleet/recorder.ts";
import { Registry } from "../fleet/fleet.ts";
import { findServed, type Served, storeGiven } from "../fleet/stored.ts";
import { outliveUnhandled } from "./unhandled.ts";
import { memoryIn } from "./memory.ts";
import { Responder } from "../dns/serve/responder.ts";
import { Zone } from "../dns/zone/zone.ts";
import { log } from "../log.ts";
import { ServiceManager } from "../service/notify.ts";
import { MemoryStore } from "../store/memory.ts";
import { SqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { Summoner } from "../fleet/summoner.ts";

/** From how many names on what reading them leaves behind is worth a pause before anything is served. */
const MANY_NAMES = 1000;
/** Milliseconds: how long clients that wait at SIGTERM are waited for, machines to stop, and all of it together. */
const DRAIN_TIME = 1000, STOP_TIME = 2500, EXIT_TIME = 4500;

/**
 * Serves until SIGTERM or SIGINT, then stops in good order and resolves.
 * Rejects with {@linkcode StartError} or `BackendError` when it cannot start.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  outliveUnhandled();
  const stopped = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => stopped.resolve(signal));
  }

  const manager = ServiceManager.find();
  const store = await openStore(options.persistdb);
  const given = { ...options, backend: options.backend.name };
  const found = await findServed(store, given, options.readSpec);
  const toServe = found.served;
  if (toServe.length === 0) {
    log("jitsu").warn(
      "there are no unikernels: neither CONFIG nor database has one",
    );
  }
  const now = turnClock();
  const zone = new Zone(Date.now() / 1000);
  const forwarder = forwarderFor(options);
  const responder = new Responder(zone, guardFor(options, now), forwarder, now);
  const listeners = listen(responder, options);
  const { connect, settings } = options;
  const holders = await Holders.open(options, now);
  const backend = await options.backend.open({
    connect,
    settings,
    memory: memoryIn(store, options.backend.name),
  });
  const summoner = new Summoner({
    id: await store.id(),
    now,
    holders: holders.all,
    maxStarts: options.limits.maxStarts,
    waitForXenstoreKey: async (...wait) => {
      const { waitForXenstoreKey } = await import("../xen/wait_for_key.ts");
      await waitForXenstoreKey(...wait);
    },
    onTransition: (summoned, transition) =>
      recorder.noteTransition(summoned, transition),
  });
  const registry = new Registry(
    backend,
    zone,
    summoner,
    options.synjitsu !== undefined,
  );
  const recorder = new Recorder(store, now, () => registry.all());
  if (options.persistdb !== undefined) recorder.count();
  const operator = new Operator({
    ...given,
    registry,
    store,
    recorder,
    now,
    upstreams: () => upstreamsOf(forwarder),
  });
  let control: ControlServer | undefined;
  try {
    await serveAll(registry, recorder, toServe);
    control = await openControl(options, operator.handle);
  } catch (error) {
    summoner.close();
    await Promise.all([holders.close(), backend.close()]);
    throw error;
  }
  // A disk that takes its time keeps nobody waiting.
  const stored = storeGiven(store, found, given);
  const names = toServe.reduce(
    (sum, each) => sum + each.unikernel.dns.length,
    0,
  );
  if (names >= MANY_NAMES) collectGarbage();
  listeners.serve();
  const { bind } = options, { port } = listeners;
  log("jitsu").info(`serving DNS on ${bind}#${port}`, { address: bind, port });
  manager?.ready(`serving DNS on ${bind}#${port}`);

  Deno.addSignalListener("SIGHUP", () => operator.hangUp());

  const signal = await stopped.promise;
  log("jitsu").info(`${signal}: stopping`);
  manager?.stopping();
  await within(EXIT_TIME, async () => {
    control?.close();
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
    await Promise.all([
      stored.then(() => store.close()),
      backend.close(),
      holders.close(),
    ]);
  });
  log("jitsu").info("stopped");
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

/** Waits for work, but not longer than that many milliseconds. */
async function within(limit: number, work: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limited = new Promise<void>((resolve) =>
    timer = setTimeout(resolve, limit)
  );
  await Promise.race([work(), limited]);
  clearTimeout(timer);
}
