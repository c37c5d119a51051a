/**
 * The XAPI backend: the VMs of a XenServer or XCP-ng pool, over the network.
 *
 * @module
 */
import { log } from "../../log.ts";
import {
  type Backend,
  BackendError,
  type BackendOptions,
  type Machine,
  type MachineConfig,
} from "../backend.ts";
import {
  CONNECT_EXPECTED,
  parseConnect,
  type Target,
  urlOf,
} from "./connect.ts";
import {
  certificatesIn,
  checkedHttp,
  type Http,
  systemRoots,
  uncheckedHttp,
} from "./http.ts";
import type { XapiKeys } from "./description.ts";
import { Login } from "./login.ts";
import { Lookup } from "./lookup.ts";
import { XapiMachine } from "./machine.ts";
import { Mirror } from "./mirror.ts";
import { findPassword } from "./password.ts";
import { isUuid } from "./records.ts";
import { Rpc } from "./rpc.ts";
import { Session } from "./session.ts";
import { Tasks } from "./tasks.ts";

/** Logs in. Rejects with {@linkcode BackendError}. */
export async function openXapi(
  { connect, settings = new Map(), memory }: BackendOptions,
): Promise<Backend> {
  const target = parseConnect(connect);
  if (target === undefined) {
    throw new BackendError(`--connect: expected ${CONNECT_EXPECTED}`);
  }
  const chosen = settings.get("xapi-pool")?.toLowerCase();
  if (chosen !== undefined && !isUuid(chosen)) {
    throw new BackendError(
      `--xapi-pool ${
        JSON.stringify(chosen)
      }: expected the UUID of a pool, which \`xe pool-list\` shows`,
    );
  }
  const password = findPassword(
    target,
    settings.get("xapi-password-file"),
  );
  const http = await openHttp(target, settings);
  const rpc = new Rpc(http, password.all);
  // Whoever the user is there, it is the same pool.
  const farEnd = urlOf(target, target.host);
  const known = chosen ?? await memory?.recall(farEnd);
  const login = new Login(rpc, target, password, known);
  const session = new Session(rpc, target, login);
  const backend = new XapiBackend(http, session);
  try {
    await session.login();
    if (login.pool !== undefined) await memory?.note(farEnd, login.pool);
    await backend.mirror.start();
  } catch (error) {
    await backend.close();
    throw error;
  }
  log("backend").info(`connected to XAPI at ${session.url}`);
  return backend;
}

async function openHttp(
  { scheme }: Target,
  settings: ReadonlyMap<string, string>,
): Promise<Http> {
  if (scheme === "http:") {
    log("backend").warn(
      "--connect has http://: whoever is on the way to the pool can read the password",
    );
    return checkedHttp([]);
  }
  if (settings.has("xapi-insecure")) {
    log("backend").warn(
      "--xapi-insecure: NOBODY CHECKS that it is the pool that gets the password; --xapi-ca would",
    );
    return uncheckedHttp();
  }
  const ca = settings.get("xapi-ca");
  return checkedHttp(
    ca === undefined ? await systemRoots() : await certificatesIn(ca),
  );
}

class XapiBackend implements Backend<XapiKeys> {
  readonly session: Session;
  readonly mirror: Mirror;
  readonly tasks: Tasks;
  readonly lookup: Lookup;
  readonly #http: Http;

  constructor(http: Http, session: Session) {
    this.#http = http;
    this.session = session;
    this.mirror = new Mirror(session);
    this.tasks = new Tasks(session, this.mirror);
    this.lookup = new Lookup(session);
  }

  async machine(config: MachineConfig<XapiKeys>): Promise<Machine> {
    const machine = new XapiMachine(this, config);
    await machine.find();
    return machine;
  }

  async close(): Promise<void> {
    // The end of the session ends what the mirror waits for.
    await Promise.all([this.mirror.close(), this.session.close()]);
    this.#http.close();
  }
}
