/**
 * The libvirt backend: the machines of one connection URI, across reconnections.
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
import type { LibvirtKeys } from "./description.ts";
import { type Host, isSameHost, otherHost } from "./host.ts";
import { LibvirtMachine } from "./machine.ts";
import { Session } from "./session.ts";
import { showUri } from "./uri.ts";
import { within } from "../../wait.ts";

/** Between attempts to reconnect; doubles with each. */
const FIRST_RETRY_MS = 250, LAST_RETRY_MS = 15_000;
/** How long a call waits for the connection to come back. */
const CALL_PATIENCE_MS = 2_000;
/** How often states are read from a driver that reports no events. */
const POLL_MS = 2_000;

/** Connects. Rejects with {@linkcode BackendError}. */
export async function openLibvirt(options: BackendOptions): Promise<Backend> {
  const backend = new LibvirtBackend(options.connect);
  await backend.connect();
  return backend;
}

class LibvirtBackend implements Backend<LibvirtKeys> {
  readonly #machines = new Set<LibvirtMachine>();
  #session?: Session;
  /** The host that the last session led to. */
  #host?: Host;
  #reconnecting?: Promise<void>;
  /** Why there is no session. */
  #failure = "";
  #lostAt = 0;
  #oldSessions: Promise<unknown> = Promise.resolve();
  #retryTimer?: ReturnType<typeof setTimeout>;
  #pollTimer?: ReturnType<typeof setInterval>;
  #closed = false;

  constructor(readonly uri: string) {}

  async machine(config: MachineConfig<LibvirtKeys>): Promise<Machine> {
    const machine = new LibvirtMachine(
      config,
      this.uri,
      async (work) => await (await this.#connected()).use(work),
      () => this.#machines.delete(machine),
    );
    // Before it is looked up, so that no event is missed.
    this.#machines.add(machine);
    try {
      await machine.find();
    } catch (error) {
      this.#machines.delete(machine);
      throw error;
    }
    return machine;
  }

  async connect(): Promise<void> {
    const session = await Session.open(this.uri, (domain, meaning) => {
      for (const machine of this.#machines) {
        if (!machine.is(domain)) continue;
        if (meaning === "rebooted") machine.onReboot?.(meaning);
        else watched(machine, machine.onEvent(meaning));
      }
    });
    if (this.#host !== undefined && !await this.#leadsTo(this.#host, session)) {
      await session.close();
      throw otherHost(this.uri, session.host, this.#host);
    }
    this.#host = session.host;
    this.#session = session;
    session.lost.then((reason) => this.#onLost(session, reason));
    clearInterval(this.#pollTimer);
    if (!session.hasEvents) {
      this.#pollTimer = setInterval(
        () => this.#refresh("found so by polling"),
        POLL_MS,
      );
    }
  }

  /** Whether the session is one with that host. */
  async #leadsTo(host: Host, session: Session): Promise<boolean> {
    if (isSameHost(host, session.host)) return true;
    // A UUID that is made up is another one after the daemon's restart: then the domains tell.
    if (host.name !== session.host.name) return false;
    const machines = [...this.#machines];
    for (const machine of machines) {
      if (await session.use((connection) => machine.isOn(connection))) {
        return true;
      }
    }
    return machines.length === 0;
  }

  #refresh(reason: string): void {
    for (const machine of this.#machines) {
      watched(machine, machine.refresh(reason));
    }
  }

  #onLost(session: Session, reason: string): void {
    if (this.#closed) return;
    this.#session = undefined;
    clearInterval(this.#pollTimer);
    this.#oldSessions = Promise.all([this.#oldSessions, session.close()]);
    this.#failure = `the connection to libvirt at ${
      showUri(this.uri)
    } is lost: ${reason}`;
    this.#lostAt = performance.now();
    log("backend").warn(this.#failure);
    this.#retryIn(FIRST_RETRY_MS);
  }

  #retryIn(wait: number): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(async () => {
      await this.#reconnect();
      if (this.#session === undefined && !this.#closed) {
        this.#retryIn(Math.min(2 * wait, LAST_RETRY_MS));
      }
    }, wait);
  }

  /** Tries to connect once, however many ask for it. */
  #reconnect(): Promise<void> {
    if (this.#session !== undefined) return Promise.resolve();
    return this.#reconnecting ??= this.connect().then(() => {
      const seconds = ((performance.now() - this.#lostAt) / 1000).toFixed(1);
      log("backend").info(
        `connected to libvirt at ${showUri(this.uri)} again after ${seconds} s`,
      );
      this.#refresh("found so after reconnecting");
    }, (error) => {
      const { message } = error as Error;
      if (message !== this.#failure) log("backend").warn(message);
      this.#failure = message;
    }).finally(() => this.#reconnecting = undefined);
  }

  /** The session, tried for at once where there is none: whoever asks is waiting, and the daemon may be back already. */
  async #connected(): Promise<Session> {
    if (this.#session === undefined && !this.#closed) {
      await within(CALL_PATIENCE_MS, this.#reconnect());
    }
    if (this.#session === undefined) {
      throw new BackendError(
        this.#closed
          ? `the connection to libvirt at ${showUri(this.uri)} is closed`
          : `${this.#failure}; it is tried again in the background`,
      );
    }
    return this.#session;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    await this.#reconnecting;
    clearInterval(this.#pollTimer);
    await this.#session?.close();
    this.#session = undefined;
    await this.#oldSessions;
  }
}

/** Reading a state may fail; it is read again after a reconnection and by whoever asks next. */
async function watched(
  machine: Machine,
  reading: Promise<void>,
): Promise<void> {
  try {
    await reading;
  } catch (error) {
    log("backend").warn(`${machine.name}: ${(error as Error).message}`);
  }
}
