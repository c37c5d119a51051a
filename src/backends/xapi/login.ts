/**
 * Logging in to a pool: at which of its addresses, and whether it is that pool at all.
 *
 * A host may answer with any error there is and be the right one later, or another one may be: every failure means the
 * next address. A host that was ejected from the pool lives on as a pool of its own with the same password, so what
 * tells pools apart is their UUID.
 *
 * @module
 */
import { log } from "../../log.ts";
import { BackendError } from "../backend.ts";
import { type Target, urlOf } from "./connect.ts";
import {
  isXapiError,
  Late,
  LoginRefused,
  Unreachable,
  XapiError,
} from "./errors.ts";
import type { Password } from "./password.ts";
import { text, texts } from "./records.ts";
import { Patience } from "./patience.ts";
import type { Rpc } from "./rpc.ts";
import type { Value } from "./xmlrpc.ts";

/** The version of the API that we were written for, and who we are in the pool's list of sessions. */
const API_VERSION = "1.0", ORIGINATOR = "jitsu";
/** Milliseconds that each call of a log-in at one address may take, which may ask a directory server, and a log-out. */
const LOGIN_TIMEOUT = 10_000, LOGOUT_TIMEOUT = 1_000;
/**
 * Milliseconds from a log-in that was refused for who we are to the next one at that address; doubles while the password
 * stays the same. Directory servers lock accounts out after some refusals within minutes.
 */
export const FIRST_FLOOR = 30_000, LAST_FLOOR = 15 * 60_000;

/** A session with a pool's master. */
export interface Ticket {
  /** The address of the master. */
  readonly host: string;
  readonly session: string;
}

/** A refusal for who we are. */
interface Refusal {
  message: string;
  password: string;
  /** Milliseconds of the floor, and when it is over. */
  floor: number;
  until: number;
}

export class Login {
  readonly #rpc: Rpc;
  readonly #target: Target;
  readonly #password: Password;
  /** A monotonic clock in milliseconds. */
  readonly #now: () => number;
  /** The pool's UUID: the one that it must have, or since the first log-in the one that it had. */
  #pool?: string;
  /** Where the pool may be reached, in the order in which they are tried. */
  #hosts: string[];
  /** The address of the last log-in that succeeded. */
  #good?: string;
  readonly #patience = new Patience();
  readonly #refusals = new Map<string, Refusal>();
  readonly #leaving = new Set<Promise<void>>();

  /** `pool` is the UUID of the only pool that will do; without it, the first one that lets us in becomes that. */
  constructor(
    rpc: Rpc,
    target: Target,
    password: Password,
    pool?: string,
    now = () => performance.now(),
  ) {
    this.#rpc = rpc;
    this.#target = target;
    this.#password = password;
    this.#pool = pool;
    this.#now = now;
    this.#hosts = [target.host];
  }

  /** The UUID of the pool, once it is known. */
  get pool(): string | undefined {
    return this.#pool;
  }

  /** Where the next log-in begins. */
  get host(): string {
    return this.#hosts[0];
  }

  /**
   * Logs in at the first address that lets us. Rejects with {@linkcode LoginRefused} where the address that was good
   * last does not for who we are, with {@linkcode Unreachable} where all were tried in vain, and with the signal's
   * reason when that aborts.
   */
  async somewhere(signal: AbortSignal): Promise<Ticket> {
    const tried = new Set<string>();
    const failures: string[] = [];
    for (;;) {
      const host = this.#hosts.find((each) => !tried.has(each));
      if (host === undefined) break;
      tried.add(host);
      try {
        return await this.#at(host, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof BackendError)) throw error;
        const isFinal = error instanceof LoginRefused &&
          (host === this.#good || this.#hosts.every((each) => tried.has(each)));
        if (isFinal && failures.length === 0) throw error;
        failures.push(
          error instanceof XapiError
            ? `XAPI at ${urlOf(this.#target, host)}: ${error.message}`
            : error.message,
        );
        if (isXapiError(error, "HOST_IS_SLAVE")) this.prefer(error.params[0]);
        if (isFinal && host === this.#good) {
          throw new LoginRefused(failures.join("; "));
        }
      }
    }
    throw new Unreachable(failures.join("; "));
  }

  async #at(host: string, signal: AbortSignal): Promise<Ticket> {
    const url = urlOf(this.#target, host);
    const call = async (method: string, ...params: Value[]) => {
      const began = performance.now();
      const timeout = this.#patience.for(url, LOGIN_TIMEOUT);
      try {
        const reply = await this.#rpc.call(
          url,
          method,
          params,
          timeout,
          signal,
        );
        const took = performance.now() - began;
        this.#patience.met(url, LOGIN_TIMEOUT, took);
        return reply;
      } catch (error) {
        if (error instanceof Late) this.#patience.missed(url);
        throw error;
      }
    };
    const session = await this.#enter(host, call);
    const ticket = { host, session };
    try {
      await this.#checkPool(ticket, call);
    } catch (error) {
      this.logOut(ticket);
      throw error;
    }
    this.#good = host;
    this.prefer(host);
    await this.#learnHosts(ticket, call);
    const { user } = this.#target;
    log("backend").debug(`logged in to XAPI at ${url} as ${user}`);
    return ticket;
  }

  /** Opens a session, unless the password was refused there a short while ago. */
  async #enter(host: string, call: Call): Promise<string> {
    const before = this.#refusals.get(host);
    if (before !== undefined) {
      const left = Math.ceil((before.until - this.#now()) / 1000);
      if (left > 0) {
        throw new LoginRefused(
          `${before.message}; the next log-in there is in ${left} s`,
        );
      }
      this.#password.reread();
    }
    const { user } = this.#target, password = this.#password.value;
    const method = "session.login_with_password";
    try {
      const session = text(
        await call(method, user, password, API_VERSION, ORIGINATOR),
        method,
      );
      this.#refusals.delete(host);
      return session;
    } catch (error) {
      if (
        !isXapiError(
          error,
          "SESSION_AUTHENTICATION_FAILED",
          "SESSION_AUTHORIZATION_FAILED",
        )
      ) throw error;
      const message = `cannot log in to XAPI at ${
        urlOf(this.#target, host)
      } as ${user}: ${error.message}`;
      const floor = before?.password === password
        ? Math.min(2 * before.floor, LAST_FLOOR)
        : FIRST_FLOOR;
      const until = this.#now() + floor;
      this.#refusals.set(host, { message, password, floor, until });
      throw new LoginRefused(message);
    }
  }

  /** Throws where this is another pool than ours, and forgets that address. */
  async #checkPool({ host, session }: Ticket, call: Call): Promise<void> {
    const [ref] = texts(await call("pool.get_all", session), "pool.get_all");
    const pool = text(await call("pool.get_uuid", session, ref), "pool.uuid");
    this.#pool ??= pool;
    if (pool === this.#pool) return;
    this.#hosts = this.#hosts.filter((each) =>
      each !== host || each === this.#target.host
    );
    const error = new BackendError(
      `XAPI at ${
        urlOf(this.#target, host)
      } is that of another pool, ${pool}, ` +
        `while ours is ${this.#pool}: nothing is done there. If that one is meant from now on, restart with ` +
        `--xapi-pool ${pool}`,
    );
    log("backend").warn(error.message);
    throw error;
  }

  /** What the pool says now of its hosts' addresses takes the place of what was known of them. */
  async #learnHosts({ host, session }: Ticket, call: Call): Promise<void> {
    try {
      const refs = texts(await call("host.get_all", session), "host.get_all");
      const addresses = await Promise.all(
        refs.map(async (ref) =>
          text(await call("host.get_address", session, ref), "host.address")
        ),
      );
      const known = addresses.filter((each) => each !== "");
      // That of --connect may be a name that leads elsewhere one day.
      this.#hosts = [...new Set([host, ...known, this.#target.host])];
      for (const each of this.#refusals.keys()) {
        if (!this.#hosts.includes(each)) this.#refusals.delete(each);
      }
    } catch (error) {
      // They are only of use should this host fail.
      log("backend").debug(
        `the addresses of the pool's hosts are not known: ${
          (error as Error).message
        }`,
      );
    }
  }

  /** Puts an address first among those that are tried. */
  prefer(host: string): void {
    this.#hosts = [host, ...this.#hosts.filter((each) => each !== host)];
  }

  /** Puts an address last among those that are tried. */
  postpone(host: string): void {
    this.#hosts = [...this.#hosts.filter((each) => each !== host), host];
  }

  /** Ends a session, which nobody waits for but {@linkcode left}. Never throws. */
  logOut({ host, session }: Ticket): void {
    const leaving = this.#rpc.call(
      urlOf(this.#target, host),
      "session.logout",
      [session],
      LOGOUT_TIMEOUT,
      new AbortController().signal,
    ).then(() => {}, (error) => {
      log("backend").debug(`not logged out: ${error.message}`);
    }).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /** Resolves when all sessions have ended that were to, or could not be ended. */
  async left(): Promise<void> {
    await Promise.all(this.#leaving);
  }
}

type Call = (method: string, ...params: Value[]) => Promise<Value>;
