/**
 * A session with the master of a pool, across expiries, fail-overs and restarts: whoever calls need not know of them.
 *
 * A call that got no reply is made again, although it may have been carried out: all calls made here leave a pool in the
 * same state when they are made twice.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Limit } from "../../limit.ts";
import { log } from "../../log.ts";
import { BackendError } from "../backend.ts";
import { type Target, urlOf } from "./connect.ts";
import { isXapiError, Unreachable } from "./errors.ts";
import { text, texts } from "./records.ts";
import type { Rpc } from "./rpc.ts";
import type { Value } from "./xmlrpc.ts";

/** The version of the API that we were written for, and who we are in the pool's list of sessions. */
const API_VERSION = "1.0", ORIGINATOR = "jitsu";
/** Milliseconds that one attempt at a call may take, whose work XAPI does at once. Log-in may ask a directory server. */
const CALL_TIMEOUT = 10_000;
/** Milliseconds for which a call is tried again where there is no reply: whoever waits for it wants to know. */
const RETRY_TIME = 3_000;
const FIRST_RETRY = 100;
const LOGOUT_TIMEOUT = 1_000;
/** Calls in flight, so that a pool with thousands of our VMs is not flooded. */
const MAX_CALLS = 8;
/** Milliseconds of a log-in after which no further address is tried. */
const LOGIN_TIME = 20_000;
/** Errors of a host that may be the right one later, or of a pool in which another one is. */
const NOT_NOW = [
  "HOST_IS_SLAVE",
  "HOST_STILL_BOOTING",
  "HOST_IN_EMERGENCY_MODE",
  "TOO_BUSY",
];

interface Ticket {
  /** The address of the pool's master. */
  host: string;
  session: string;
}

export class Session {
  readonly #rpc: Rpc;
  readonly #target: Target;
  readonly #password: string;
  /** Where the pool may be reached; the one that was last of use comes first. */
  #hosts: string[];
  #ticket?: Ticket;
  #loggingIn?: Promise<Ticket>;
  readonly #closing = new AbortController();
  readonly #calls = new Limit(MAX_CALLS);

  constructor(rpc: Rpc, target: Target, password: string) {
    this.#rpc = rpc;
    this.#target = target;
    this.#password = password;
    this.#hosts = [target.host];
  }

  /** Where the pool is reached, for messages. */
  get url(): string {
    return urlOf(this.#target, this.#ticket?.host ?? this.#hosts[0]);
  }

  /** Logs in if need be, with one attempt at every address that is known. Rejects with {@linkcode BackendError}. */
  async login(): Promise<void> {
    await this.#login();
  }

  /**
   * Calls a method in the session; `params` are those after the session's. Rejects with XapiError where XAPI refuses,
   * and with {@linkcode Unreachable} where the pool could not be reached for a while.
   */
  call(method: string, ...params: Value[]): Promise<Value> {
    return this.#calls.run(() => this.#call(method, params));
  }

  async #call(method: string, params: Value[]): Promise<Value> {
    const end = performance.now() + RETRY_TIME;
    let renewed = false;
    for (let wait = FIRST_RETRY;; wait *= 2) {
      try {
        return await this.attempt(
          method,
          params,
          CALL_TIMEOUT,
          this.#closing.signal,
        );
      } catch (error) {
        if (isOver(error)) {
          if (renewed) throw error;
          renewed = true;
        } else if (
          error instanceof Unreachable && performance.now() + wait < end
        ) {
          log("backend").debug(`${error.message}; trying again`);
          const { signal } = this.#closing;
          await sleep(wait, undefined, { signal }).catch(() => {}); // the next attempt tells
        } else throw error;
      }
    }
  }

  /**
   * Calls a method once, which may take `timeout` milliseconds. Rejects as {@linkcode call} does, with SESSION_INVALID
   * or HOST_IS_SLAVE where the session is over, and with the signal's reason when that aborts.
   */
  async attempt(
    method: string,
    params: readonly Value[],
    timeout: number,
    signal: AbortSignal,
  ): Promise<Value> {
    const ticket = await this.#login();
    try {
      return await this.#rpc.call(
        urlOf(this.#target, ticket.host),
        method,
        [ticket.session, ...params],
        timeout,
        signal,
      );
    } catch (error) {
      if (
        (isOver(error) || error instanceof Unreachable) &&
        this.#ticket === ticket
      ) {
        log("backend").debug(`session over: ${(error as Error).message}`);
        this.#ticket = undefined;
        if (isXapiError(error, "HOST_IS_SLAVE")) this.#prefer(error.params[0]);
        if (error instanceof Unreachable) this.#postpone(ticket.host);
      }
      throw error;
    }
  }

  #login(): Promise<Ticket> {
    this.#closing.signal.throwIfAborted();
    if (this.#ticket) return Promise.resolve(this.#ticket);
    return this.#loggingIn ??= this.#logInSomewhere()
      .finally(() => this.#loggingIn = undefined);
  }

  async #logInSomewhere(): Promise<Ticket> {
    const end = performance.now() + LOGIN_TIME;
    const tried = new Set<string>();
    const failures: string[] = [];
    while (performance.now() < end) {
      const host = this.#hosts.find((each) => !tried.has(each));
      if (host === undefined) break;
      tried.add(host);
      try {
        return this.#ticket = await this.#logInAt(host);
      } catch (error) {
        if (error instanceof Unreachable) failures.push(error.message);
        else if (isXapiError(error, ...NOT_NOW)) {
          failures.push(
            `XAPI at ${urlOf(this.#target, host)}: ${error.message}`,
          );
          if (error.code === "HOST_IS_SLAVE") this.#prefer(error.params[0]);
        } else throw this.#explain(error);
      }
    }
    throw new Unreachable(failures.join("; "));
  }

  async #logInAt(host: string): Promise<Ticket> {
    const url = urlOf(this.#target, host);
    const { user } = this.#target;
    const call = (method: string, ...params: Value[]) =>
      this.#rpc.call(url, method, params, CALL_TIMEOUT, this.#closing.signal);
    const method = "session.login_with_password";
    const session = text(
      await call(method, user, this.#password, API_VERSION, ORIGINATOR),
      method,
    );
    this.#prefer(host);
    log("backend").debug(`logged in to XAPI at ${url} as ${user}`);
    try {
      const refs = texts(await call("host.get_all", session), "host.get_all");
      const addresses = await Promise.all(
        refs.map(async (ref) =>
          text(await call("host.get_address", session, ref), "host.address")
        ),
      );
      const known = addresses.filter((each) => each !== "");
      this.#hosts = [...new Set([...this.#hosts, ...known])];
    } catch (error) {
      // They are only of use should this host fail.
      log("backend").debug(
        `the addresses of the pool's hosts are not known: ${
          (error as Error).message
        }`,
      );
    }
    return { host, session };
  }

  /** Puts an address first among those that are tried. */
  #prefer(host: string): void {
    this.#hosts = [host, ...this.#hosts.filter((each) => each !== host)];
  }

  #postpone(host: string): void {
    this.#hosts = [...this.#hosts.filter((each) => each !== host), host];
  }

  #explain(error: unknown): unknown {
    return error instanceof BackendError
      ? new BackendError(
        `cannot log in to XAPI at ${this.url} as ${this.#target.user}: ${error.message}`,
      )
      : error;
  }

  /** Ends all calls and logs out. */
  async close(): Promise<void> {
    this.#closing.abort(
      new BackendError(`the connection to XAPI at ${this.url} is closed`),
    );
    await this.#loggingIn?.catch(() => {}); // whoever waits for it is told
    const ticket = this.#ticket;
    if (ticket === undefined) return;
    try {
      await this.#rpc.call(
        urlOf(this.#target, ticket.host),
        "session.logout",
        [ticket.session],
        LOGOUT_TIMEOUT,
        new AbortController().signal,
      );
    } catch (error) {
      log("backend").debug(`not logged out: ${(error as Error).message}`);
    }
  }
}

/** Whether an error says that the session is over, or is one with a host that is not the pool's master any more. */
function isOver(error: unknown): boolean {
  return isXapiError(error, "SESSION_INVALID", "HOST_IS_SLAVE");
}
