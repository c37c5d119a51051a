/**
 * A fake XAPI: the hosts of a {@linkcode FakePool} as real HTTP servers on loopback, with sessions, tasks, events and
 * faults on demand. It does what XAPI's own source and the recordings say, within what a client like ours or xen-api
 * asks for.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseSubscription } from "./database.ts";
import { arity, objectOf, read } from "./getters.ts";
import { type Fault, html, spoiled, xml } from "./faults.ts";
import { Failure, FakePool } from "./pool.ts";
import {
  decodeCall,
  encodeBare,
  encodeFailure,
  encodeSuccess,
  encodeValue,
  Malformed,
  type Struct,
  type Wire,
} from "./wire.ts";

export const USER = "root", PASSWORD = "a <secret> & more";

export interface FakeOptions {
  /** How many hosts: at 127.0.0.1, 127.0.0.2, ... The first one is the master. */
  hosts?: number;
  /** The last octet of the first one's address; 1 unless given. */
  first?: number;
  /** Where they are served; a free port unless given. */
  port?: number;
  /** PEM texts, for https. */
  tls?: { cert: string; key: string };
}

interface Host {
  ref: string;
  address: string;
  server?: Deno.HttpServer;
}

/** A call that is to go wrong. */
interface Spoiled {
  method: string;
  fault: Fault;
  host?: string;
  ref?: string;
}

export class FakeXapi {
  readonly pool = new FakePool();
  readonly hosts: Host[] = [];
  /** Every call that was made, on whichever host. */
  readonly calls: { host: string; method: string; params: Wire[] }[] = [];
  /** Requests that are being answered at this moment. */
  open = 0;
  port: number;
  master = 0;
  readonly #options: FakeOptions;
  readonly #faults: Spoiled[] = [];
  password = PASSWORD;
  /** Whether names of struct members are written as they are, as rpclib does, which need not be XML then. */
  rawNames = false;
  /** Milliseconds that the reply to a call of a method takes. */
  readonly delays = new Map<string, number>();
  readonly #sessions = new Map<string, Set<() => void>>();
  readonly #closing = new AbortController();

  static async start(options: FakeOptions = {}): Promise<FakeXapi> {
    const { hosts = 1 } = options;
    // A port that is free at the first address may be taken at another.
    for (let tries = 1;; tries++) {
      const fake = new FakeXapi(options);
      try {
        for (let i = 0; i < hosts; i++) fake.#addHost(i);
        return fake;
      } catch (error) {
        await fake.close();
        if (tries === 5) throw error;
      }
    }
  }

  private constructor(options: FakeOptions) {
    this.#options = options;
    this.port = options.port ?? 0;
  }

  #addHost(i: number): void {
    const number = (this.#options.first ?? 1) + i;
    const address = `127.0.0.${number}`;
    const ref = this.pool.addHost(`xs${number}`, address);
    this.hosts.push({ ref, address });
    if (i === 0) this.pool.db.update("pool", this.pool.ref, { master: ref });
    this.up(i);
  }

  get url(): string {
    const scheme = this.#options.tls ? "https" : "http";
    return `${scheme}://${this.hosts[this.master].address}:${this.port}/`;
  }

  /** Starts a host's server. */
  up(i: number): void {
    const host = this.hosts[i];
    host.server = Deno.serve({
      hostname: host.address,
      port: this.port,
      ...this.#options.tls,
      onListen: ({ port }) => this.port = port,
      onError: () => new Response("", { status: 500 }),
    }, async (request) => {
      this.open++;
      try {
        return await this.#answer(host, request);
      } finally {
        this.open--;
      }
    });
  }

  /** Ends a host's server, and the sessions where it is the master's. */
  async down(i: number): Promise<void> {
    if (i === this.master) this.endSessions();
    await this.hosts[i].server?.shutdown();
    this.hosts[i].server = undefined;
  }

  /** Takes a host out of the pool: it goes down, to come up as a pool of its own. */
  async eject(i: number): Promise<void> {
    this.pool.db.remove("host", this.hosts[i].ref);
    await this.down(i);
  }

  /** Makes another host the master. */
  elect(i: number): void {
    this.endSessions();
    this.master = i;
    this.pool.db.update("pool", this.pool.ref, { master: this.hosts[i].ref });
  }

  endSessions(): void {
    const all = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const wakes of all) for (const wake of wakes) wake();
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Has the next calls of a method go wrong; only those at one host, or for one object, where that is given. */
  fault(
    method: string,
    fault: Fault,
    times = 1,
    host?: string,
    ref?: string,
  ): void {
    for (let i = 0; i < times; i++) {
      this.#faults.push({ method, fault, host, ref });
    }
  }

  /** Loses the events of a change, and all that clients have not seen so far. */
  loseEvents(change: () => void = () => {}): void {
    this.pool.db.mute(change);
    this.pool.db.lose();
    for (const wakes of this.#sessions.values()) {
      for (const wake of wakes) wake();
    }
  }

  /** How many calls are still to go wrong. */
  get faults(): number {
    return this.#faults.length;
  }

  count(method: string): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.endSessions();
    this.pool.close();
    await Promise.all(this.hosts.map(({ server }) => server?.shutdown()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer(host: Host, request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method !== "POST" || !["/", "/xmlrpc"].includes(pathname)) {
      return html(404, "not found");
    }
    let call;
    try {
      call = decodeCall(await request.text());
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return html(500, `<h1>500 Internal Error</h1>${error.message}`);
    }
    const { method, params } = call;
    this.calls.push({ host: host.address, method, params });
    const at = this.#faults.findIndex((each) =>
      each.method === method && (each.host ?? host.address) === host.address &&
      (each.ref ?? params[1]) === params[1]
    );
    if (at >= 0) {
      const [{ fault }] = this.#faults.splice(at, 1);
      if (fault.kind === "cut") await this.#text(host, method, params); // it was carried out
      return await spoiled(fault, this.#closing.signal);
    }
    const reply = await this.#text(host, method, params);
    await this.#delay(this.delays.get(method) ?? 0);
    return xml(
      this.rawNames ? reply.replace(/(?<=<name>)[^<]*/g, unescape) : reply,
    );
  }

  /** Waits that many milliseconds, or until the fake ends. */
  async #delay(ms: number): Promise<void> {
    if (ms === 0) return;
    const { signal } = this.#closing;
    await sleep(ms, undefined, { signal }).catch(() => {});
  }

  async #text(host: Host, method: string, params: Wire[]): Promise<string> {
    try {
      const value = await this.#call(host, method, params);
      return method.startsWith("system.")
        ? encodeBare(value)
        : encodeSuccess(value);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return encodeFailure(error.description);
    }
  }

  async #call(host: Host, method: string, params: Wire[]): Promise<Wire> {
    if (method === "system.listMethods") return this.#methods();
    const master = this.hosts[this.master];
    if (host !== master) throw new Failure("HOST_IS_SLAVE", master.address);
    if (method === "session.login_with_password") return this.#login(params);
    const [session, ...rest] = params as string[];
    if (!this.#sessions.has(session)) {
      throw new Failure("SESSION_INVALID", session);
    }
    const [type, name] = method.split(/\.(?=[^.]*$)/);
    if (method === "session.logout") {
      arity(method, rest, 0);
      const wakes = this.#sessions.get(session)!;
      this.#sessions.delete(session);
      for (const wake of wakes) wake();
      return "";
    }
    switch (method) {
      case "event.from":
        arity(method, rest, 3);
        return await this.#events(session, rest);
      case "event.inject":
        arity(method, rest, 2);
        return this.#inject(rest[0], rest[1]);
      case "VM.add_to_other_config":
        arity(method, rest, 3);
        this.pool.setOtherConfig(rest[0], rest[1], rest[2]);
        return "";
      case "VM.remove_from_other_config":
        arity(method, rest, 2);
        this.pool.setOtherConfig(rest[0], rest[1]);
        return "";
      case "task.destroy":
        arity(method, rest, 1);
        objectOf(this.pool.db, "task", rest[0]);
        this.pool.db.remove("task", rest[0]);
        return "";
    }
    const operation = FakePool.arity(name);
    if (type === "VM" && operation !== undefined) {
      arity(method, rest, operation);
      return await this.pool.operate(name, rest);
    }
    if (type === "Async.VM" && operation !== undefined) {
      arity(method, rest, operation);
      return this.#async(method, name, rest);
    }
    return read(this.pool.db, type, name, rest);
  }

  #login(params: Wire[]): string {
    const [user, password] = params;
    if (user !== USER || password !== this.password) {
      throw new Failure(
        "SESSION_AUTHENTICATION_FAILED",
        String(user),
        "Authentication failure",
      );
    }
    const session = `OpaqueRef:${crypto.randomUUID()}`;
    this.#sessions.set(session, new Set());
    return session;
  }

  #methods(): string[] {
    return this.pool.db.classes.flatMap((type) => [
      `${type}.get_all`,
      `${type}.get_all_records`,
      `${type}.get_record`,
    ]);
  }

  #inject(type: string, ref: string): string {
    objectOf(this.pool.db, type, ref);
    const { db } = this.pool;
    const token = tokenOf(db.generation);
    db.update(type, ref, {});
    return token;
  }

  async #events(session: string, params: Wire[]): Promise<Wire> {
    const [classes, token, timeout] = params as [string[], string, number];
    if (typeof timeout !== "number") {
      throw new Failure("INTERNAL_ERROR", "timeout: not a float");
    }
    const subscriptions = classes.map(parseSubscription);
    const [, since] = /^(\d+),\d+$/.exec(token) ??
      (token === "" ? ["", "0"] : []);
    if (since === undefined) {
      throw new Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", token);
    }
    const end = performance.now() + timeout * 1000;
    const { db } = this.pool;
    let from = Number(since);
    for (;;) {
      if (db.hasLost(from)) throw new Failure("EVENTS_LOST");
      const { events, last } = db.events(subscriptions, from);
      const left = end - performance.now();
      if (events.length > 0 || left <= 0 || this.#closing.signal.aborted) {
        return {
          events,
          valid_ref_counts: db.counts(),
          token: tokenOf(last),
        };
      }
      from = last;
      const wakes = this.#sessions.get(session)!;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, left);
      wakes.add(resolve);
      db.waiting.add(resolve);
      await promise;
      clearTimeout(timer);
      wakes.delete(resolve);
      db.waiting.delete(resolve);
      if (!this.#sessions.has(session)) {
        throw new Failure("SESSION_INVALID", session);
      }
    }
  }

  /** Carries out an operation as a task. */
  #async(method: string, name: string, params: string[]): string {
    const { db } = this.pool;
    const task = db.create("task", {
      uuid: crypto.randomUUID(),
      name_label: method,
      name_description: "",
      allowed_operations: ["cancel"],
      current_operations: {},
      created: new Date(0),
      finished: new Date(0),
      status: "pending",
      resident_on: this.hosts[this.master].ref,
      progress: 0,
      type: "<none/>",
      result: "",
      error_info: [],
      other_config: {},
      subtask_of: "OpaqueRef:NULL",
      subtasks: [],
    });
    const update = (fields: Struct) => {
      if (db.get("task", task)) db.update("task", task, fields);
    };
    this.pool.operate(name, params, task, (progress) => {
      if (progress < 1) update({ progress });
    }).then(
      (result) =>
        update({ status: "success", progress: 1, result: encodeValue(result) }),
      (error) => {
        if (!(error instanceof Failure)) throw error;
        const { description } = error;
        const status = description[0] === "TASK_CANCELLED"
          ? "cancelled"
          : "failure";
        update({ status, progress: 1, error_info: description });
      },
    );
    return task;
  }
}

function tokenOf(generation: number): string {
  return `${String(generation).padStart(20, "0")},${"0".repeat(20)}`;
}

function unescape(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}
