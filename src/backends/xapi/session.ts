/**
 * A session with the master of a pool, across expiries, fail-overs and restarts: whoever calls need not know of them.
 *
 * A call that got no reply is made again, although it may have been carried out: all calls made here leave a pool in the
 * same state when they are made twice.
 *
 * @module
 */
import { Limit } from "../../limit.ts";
import { log } from "../../log.ts";
import { BackendError } from "../backend.ts";
import { type Target, urlOf } from "./connect.ts";
import { isXapiError, Late, Slow, Unreachable } from "./errors.ts";
import type { Login, Ticket } from "./login.ts";
import { Patience } from "./patience.ts";
import type { Rpc } from "./rpc.ts";
import type { Value } from "./xmlrpc.ts";
import { delay } from "../../wait.ts";

/** Milliseconds that one attempt at a call may take, whose work XAPI does at once. */
const CALL_TIMEOUT = 10_000;
/** Milliseconds for which a call is tried again where there is no reply: whoever waits for it wants to know. */
const RETRY_TIME = 3_000;
const FIRST_RETRY = 100;
/** Calls in flight, so that a pool with thousands of our VMs is not flooded. */
const MAX_CALLS = 8;

export class Session {
  readonly #rpc: Rpc;
  readonly #target: Target;
  readonly #entrance: Login;
  #ticket?: Ticket;
  #loggingIn?: Promise<Ticket>;
  readonly #closing = new AbortController();
  readonly #calls = new Limit(MAX_CALLS);
  readonly #patience = new Patience();
  /** When the pool last replied to a call. */
  #heard = -Infinity;

  constructor(rpc: Rpc, target: Target, login: Login) {
    this.#rpc = rpc;
    this.#target = target;
    this.#entrance = login;
  }

  /** Where the pool is reached, for messages. */
  get url(): string {
    return urlOf(this.#target, this.#ticket?.host ?? this.#entrance.host);
  }

  /** Logs in if need be, with one attempt at every address that is known. Rejects with {@linkcode BackendError}. */
  async login(): Promise<void> {
    await this.#login();
  }

  /**
   * Calls a method in the session; `params` are those after the session's. Rejects with XapiError where XAPI refuses,
   * with {@linkcode Unreachable} where the pool could not be reached for a while, and with {@linkcode Unreadable} or
   * {@linkcode Slow} where only the reply to this call is of no use.
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
          await delay(wait, signal).catch(() => {}); // the next attempt tells
        } else throw error;
      }
    }
  }

  /**
   * Calls a method once, which may take `timeout` milliseconds, and more where replies to it were late before. Rejects
   * as {@linkcode call} does, with SESSION_INVALID or HOST_IS_SLAVE where the session is over, and with the signal's
   * reason when that aborts.
   */
  async attempt(
    method: string,
    params: readonly Value[],
    timeout: number,
    signal: AbortSignal,
  ): Promise<Value> {
    const ticket = await this.#login();
    const began = performance.now();
    try {
      const reply = await this.#rpc.call(
        urlOf(this.#target, ticket.host),
        method,
        [ticket.session, ...params],
        this.#patience.for(method, timeout),
        signal,
      );
      this.#heard = performance.now();
      this.#patience.met(method, timeout, this.#heard - began);
      return reply;
    } catch (error) {
      if (error instanceof Late) {
        this.#patience.missed(method);
        if (this.#heard > began) throw new Slow(error.message);
      } else if (!(error instanceof Unreachable)) {
        this.#heard = performance.now();
      }
      if (this.#ticket === ticket) {
        if (isOver(error)) this.#ticket = undefined;
        else if (error instanceof Unreachable) {
          this.#leave(ticket);
          this.#entrance.postpone(ticket.host);
        }
        if (this.#ticket === undefined) {
          log("backend").debug(`session over: ${(error as Error).message}`);
        }
        if (isXapiError(error, "HOST_IS_SLAVE")) {
          this.#entrance.prefer(error.params[0]);
        }
      }
      throw error;
    }
  }

  /** Gives the session up, which is of no use although its host answers; the next call logs in anew, anywhere. */
  leave(): void {
    if (this.#ticket !== undefined) this.#leave(this.#ticket);
  }

  #login(): Promise<Ticket> {
    this.#closing.signal.throwIfAborted();
    if (this.#ticket) return Promise.resolve(this.#ticket);
    const { signal } = this.#closing;
    return this.#loggingIn ??= this.#entrance.somewhere(signal)
      .then((ticket) => this.#ticket = ticket)
      .finally(() => this.#loggingIn = undefined);
  }

  /** Lets a session go that may still be one for the pool, which counts those of a user. */
  #leave(ticket: Ticket): void {
    this.#ticket = undefined;
    this.#entrance.logOut(ticket);
  }

  /** Ends all calls and logs out. */
  async close(): Promise<void> {
    this.#closing.abort(
      new BackendError(`the connection to XAPI at ${this.url} is closed`),
    );
    await this.#loggingIn?.catch(() => {}); // whoever waits for it is told
    this.leave();
    await this.#entrance.left();
  }
}

/** Whether an error says that the session is over, or is one with a host that is not the pool's master any more. */
function isOver(error: unknown): boolean {
  return isXapiError(error, "SESSION_INVALID", "HOST_IS_SLAVE");
}
