/**
 * A pool of connections to one URI that live and die together: when the first one is lost, the session is over.
 *
 * The first connection also carries the events. Reconnecting is making a new session, see backend.ts.
 *
 * @module
 */
import { Limit } from "../../limit.ts";
import { BackendError } from "../backend.ts";
import { Connection } from "./connection.ts";
import { Domain, type DomainKey } from "./domain.ts";
import { connectError, LibvirtError, VIR_ERR } from "./errors.ts";
import { type EventMeaning, interpretEvent } from "./events.ts";
import { type Host, isSameHost, otherHost, readHost } from "./host.ts";
import { showUri } from "./uri.ts";

/**
 * Calls at the same time, each on a connection of its own. Deno's thread pool has 32 threads, which file I/O and name
 * look-ups share; libvirtd works on 20 calls at a time by default (max_workers).
 */
const MAX_CALLS = 12;
/** Drivers that keep what they know of domains in the connection, so that a second one would have another truth. */
const STATE_IN_CONNECTION = /^(test:\/\/\/(?!default$)|vmware)/;

/** By `virConnectCloseReason` (libvirt-common.h). */
const CLOSE_REASONS = [
  "I/O error",
  "the daemon closed the connection",
  "the daemon does not answer any more",
  "closed here",
];

const VIR_DOMAIN_EVENT_ID_LIFECYCLE = 0, VIR_DOMAIN_EVENT_ID_REBOOT = 1;

/** Told of every domain's events that change its state, in libvirt's order. */
export type DomainEventListener = (
  domain: Required<DomainKey>,
  meaning: EventMeaning | "rebooted",
) => void;

export class Session {
  /** Whether the driver reports events. VirtualBox's, VMware's and ESX's do not. */
  hasEvents = true;
  readonly #calls: Limit;
  readonly #idle: Connection[];
  readonly #lost = Promise.withResolvers<string>();
  /** Why it is over, once it is. */
  #over?: string;
  readonly #eventCallbackIds: number[] = [];

  private constructor(
    readonly uri: string,
    readonly onDomainEvent: DomainEventListener,
    readonly first: Connection,
  ) {
    this.#idle = [first];
    this.#calls = new Limit(STATE_IN_CONNECTION.test(uri) ? 1 : MAX_CALLS);
  }

  /** The host that it leads to. */
  host: Host = {};

  /** Connects. Rejects with {@linkcode BackendError}. */
  static async open(
    uri: string,
    onDomainEvent: DomainEventListener,
  ): Promise<Session> {
    const session = new Session(uri, onDomainEvent, await connect(uri));
    try {
      await session.#listen();
      session.host = await readHost(session.first);
    } catch (error) {
      await session.close();
      throw error instanceof LibvirtError ? connectError(uri, error) : error;
    }
    return session;
  }

  async #listen(): Promise<void> {
    const { libvirt, pointer, runtime, token } = this.first;
    const opaque = Deno.UnsafePointer.create(token);
    runtime.listeners.set(token, {
      onDomainEvent: (domainPointer, event, detail) => {
        const meaning = interpretEvent(event, detail);
        if (meaning !== undefined) {
          const { uuid, name } = new Domain(this.first, domainPointer);
          this.onDomainEvent({ uuid, name }, meaning);
        }
      },
      onReboot: (domainPointer) => {
        const { uuid, name } = new Domain(this.first, domainPointer);
        this.onDomainEvent({ uuid, name }, "rebooted");
      },
      onClose: (reason) =>
        this.#lose(CLOSE_REASONS[reason] ?? `reason ${reason}`),
    });
    await this.first.call(
      libvirt.virConnectRegisterCloseCallback(
        pointer,
        runtime.closeCallback.pointer,
        opaque,
        null,
      ),
    );
    this.hasEvents = await this.#register(
      VIR_DOMAIN_EVENT_ID_LIFECYCLE,
      runtime.domainEventCallback.pointer,
    );
    await this.#register(
      VIR_DOMAIN_EVENT_ID_REBOOT,
      runtime.rebootCallback.pointer,
    );
  }

  /** Has all domains' events of that kind told. Whether the driver knows them. */
  async #register(
    eventId: number,
    callback: Deno.PointerObject,
  ): Promise<boolean> {
    const { libvirt, pointer, token } = this.first;
    const opaque = Deno.UnsafePointer.create(token);
    try {
      this.#eventCallbackIds.push(
        await this.first.call(
          libvirt.virConnectDomainEventRegisterAny(
            pointer,
            null,
            eventId,
            callback,
            opaque,
            null,
          ),
        ),
      );
      return true;
    } catch (error) {
      if ((error as LibvirtError).code !== VIR_ERR.NO_SUPPORT) throw error;
      return false;
    }
  }

  #lose(reason: string): void {
    this.#over ??= reason;
    this.#lost.resolve(reason);
  }

  /** Resolves with the reason when the connection is lost, and never when the session is closed before that. */
  get lost(): Promise<string> {
    return this.#lost.promise;
  }

  /** Lends `work` a connection of its own, after waiting for one if need be. Rejects with what `work` rejects with. */
  use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#calls.run(async () => {
      const connection = await this.#take();
      try {
        return await work(connection);
      } finally {
        this.#idle.push(connection);
      }
    });
  }

  async #take(): Promise<Connection> {
    while (this.#over === undefined) {
      const connection = this.#idle.pop();
      if (connection === undefined) return await this.#connect();
      if (await connection.alive()) return connection;
      if (connection === this.first) {
        this.#idle.push(connection);
        this.#lose("the connection is closed");
      } else await connection.close();
    }
    throw new BackendError(
      `the connection to libvirt at ${
        showUri(this.uri)
      } was lost: ${this.#over}`,
    );
  }

  /** Another connection. The URI may have come to lead elsewhere since the first was made. */
  async #connect(): Promise<Connection> {
    const connection = await connect(this.uri);
    try {
      const host = await readHost(connection);
      if (isSameHost(host, this.host)) return connection;
      throw otherHost(this.uri, host, this.host);
    } catch (error) {
      await connection.close();
      throw error instanceof LibvirtError
        ? connectError(this.uri, error)
        : error;
    }
  }

  /** Lets calls that are under way finish, refuses those that wait for a connection, and closes all connections. */
  async close(): Promise<void> {
    this.#over ??= "it was closed";
    await this.#calls.idle();
    const { libvirt, pointer, runtime } = this.first;
    // These fail on a connection that is lost, and have let go of the callbacks all the same.
    for (const id of this.#eventCallbackIds) {
      await libvirt.virConnectDomainEventDeregisterAny(pointer, id);
    }
    await libvirt.virConnectUnregisterCloseCallback(
      pointer,
      runtime.closeCallback.pointer,
    );
    await Promise.all(this.#idle.splice(0).map((each) => each.close()));
  }
}

async function connect(uri: string): Promise<Connection> {
  try {
    return await Connection.open(uri);
  } catch (error) {
    throw error instanceof LibvirtError ? connectError(uri, error) : error;
  }
}
