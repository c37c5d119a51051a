/**
 * When a machine that runs is ready to be used: waits for what a unikernel's {@linkcode Readiness} names. That the
 * machine may die meanwhile is not seen here; whoever learns of it aborts the wait.
 *
 * @module
 */
import type { MachineReadiness, StartAction } from "../backends/backend.ts";
import { isOwnAddress } from "../net/own_addresses.ts";
import type { Readiness, Unikernel } from "./unikernel.ts";
import { delay, timer } from "../wait.ts";
import { handled } from "./operations.ts";
import { messageOf } from "./text.ts";

/**
 * Resolves when the key, relative to `/local/domain/DOMID/`, is in xenstore. Rejects when xenstore cannot be asked, and
 * with the signal's reason when that aborts or has been.
 */
export type WaitForXenstoreKey = (
  domid: number,
  key: string,
  signal: AbortSignal,
) => Promise<void>;

/** Milliseconds between two attempts to connect, none of which has been refused. */
const TCP_INTERVAL = 100;
/** Milliseconds after a refusal: the machine is up and its server will listen any moment. */
const TCP_REFUSED_INTERVAL = 10;
/** How many attempts are open at once, which makes each 2 s old at most: more than any round trip to a guest. */
const TCP_ATTEMPTS = 20;
/** Milliseconds between two as long as somebody is to tell when the machine is on the network, in case nobody does. */
const UNHEARD_INTERVAL = 5000;
/** Milliseconds until what could not be asked is asked again. */
const TROUBLE_INTERVAL = 1000;

/** Rejects with the signal's reason when that aborts: nobody waits longer, whether he who was to listen to it does or not. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return handled(promise);
}

/**
 * Resolves when `port` of the IP address `hostname` accepts a TCP connection, which is closed at once. `onTrouble` is
 * told why an attempt failed. Rejects only with the signal's reason when that aborts.
 *
 * A SYN that reached nobody is sent again after 1 s, 3 s, ... only (RFC 6298, section 2), so each attempt is soon
 * followed by a fresh one while the older ones stay open, in case only the reply is slow. Until `heard`, if it is there,
 * has resolved, they would be in vain and there are next to none: what they send may wait somewhere, and come to the
 * machine all at once.
 */
export async function waitForTcp(
  hostname: string,
  port: number,
  signal: AbortSignal,
  onTrouble: (message: string) => void,
  heard?: Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  let isHeard = heard === undefined;
  const { promise: connected, resolve, reject } = Promise.withResolvers<void>();
  const attempts = new Set<AbortController>(); // the oldest first
  let timer: ReturnType<typeof setTimeout>;

  async function connect(): Promise<void> {
    const attempt = new AbortController();
    attempts.add(attempt);
    // Deno.connect asks this in the end and, when the abort came just as the connection was made, throws it away
    // without closing it. Here it is handed out all the same.
    attempt.signal.throwIfAborted = () => {};
    try {
      (await Deno.connect({ hostname, port, signal: attempt.signal })).close();
      resolve();
    } catch (error) {
      if (attempt.signal.aborted) return;
      onTrouble(messageOf(error));
      if (error instanceof Deno.errors.ConnectionRefused) {
        clearTimeout(timer);
        timer = setTimeout(next, TCP_REFUSED_INTERVAL);
      }
    } finally {
      attempts.delete(attempt);
    }
  }
  function next(): void {
    const [oldest] = attempts;
    if (attempts.size >= (isHeard ? TCP_ATTEMPTS : 1)) {
      attempts.delete(oldest);
      oldest.abort();
    }
    connect();
    timer = setTimeout(next, isHeard ? TCP_INTERVAL : UNHEARD_INTERVAL);
  }
  let isOver = false;
  heard?.then(() => {
    isHeard = true;
    clearTimeout(timer);
    if (!isOver) next();
  });
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (isHeard) next();
  else timer = setTimeout(next, UNHEARD_INTERVAL);
  try {
    await connected;
  } finally {
    isOver = true;
    signal.removeEventListener("abort", abort);
    clearTimeout(timer!);
    for (const attempt of attempts) attempt.abort();
  }
}

/**
 * Milliseconds that a port has to accept a connection which is there already. This host's own addresses always answer,
 * so there the time is for a busy host only; elsewhere nobody may answer, and every cold start waits that long: it is
 * much more than a round trip to a guest.
 */
const TAKEN_TIME_HERE = 2000, TAKEN_TIME = 10;

/**
 * Whether `port` of the IP address `hostname` accepts a TCP connection now, which is closed at once. Before a machine is
 * started that tells of somebody else who listens there. Whatever comes later is no.
 */
export async function isTaken(
  hostname: string,
  port: number,
): Promise<boolean> {
  const attempt = new AbortController();
  const { signal } = attempt;
  signal.throwIfAborted = () => {}; // as in waitForTcp
  const patience = isOwnAddress(hostname) ? TAKEN_TIME_HERE : TAKEN_TIME;
  const timer = setTimeout(() => attempt.abort(), patience);
  try {
    (await Deno.connect({ hostname, port, signal })).close();
    return true;
  } catch {
    return false; // refused, unreachable, no answer: nobody listens
  } finally {
    clearTimeout(timer);
  }
}

/** Waits, again and again where that fails. Rejects only with the signal's reason when that aborts. */
async function insist(
  wait: () => Promise<void>,
  signal: AbortSignal,
  onTrouble: (message: string) => void,
): Promise<void> {
  for (;;) {
    try {
      return await wait();
    } catch (error) {
      onTrouble(messageOf(error));
      await delay(TROUBLE_INTERVAL, signal);
    }
  }
}

/**
 * What is to be waited for after such a start. A guest that comes back from a save file has an area in xenstore that is
 * new and empty, and does not know that it should set its keys again.
 */
export function readinessAfter(
  action: StartAction,
  readiness: Readiness,
): Readiness {
  return action === "resumed"
    ? { ...readiness, waitForKey: undefined }
    : readiness;
}

/** What is waited for, as the log says it, e.g. `"TCP port 80"`; nothing where the machine is ready at once. */
export function describeReadiness(
  readiness: Readiness,
  machine?: MachineReadiness,
): string | undefined {
  const { waitForTcp, waitForKey, responseDelay } = readiness;
  const parts = [];
  if (machine !== undefined) parts.push(machine.what);
  if (waitForTcp !== undefined) parts.push(`TCP port ${waitForTcp}`);
  if (waitForKey !== undefined) parts.push(`xenstore key ${waitForKey}`);
  if (responseDelay > 0) parts.push(`${responseDelay} s`);
  return parts.length > 0 ? parts.join(" and ") : undefined;
}

/** Milliseconds that this may take in all, as configured. */
export function patienceOf(
  { waitForTcp, waitForKey, waitTimeout, responseDelay }: Readiness,
  machine?: MachineReadiness,
): number {
  const waits = waitForTcp !== undefined || waitForKey !== undefined ||
    machine !== undefined;
  return 1000 * ((waits ? waitTimeout : 0) + responseDelay);
}

/** What a wait needs of its surroundings. */
export interface ReadinessContext {
  /** What the machine itself waits for, if anything. */
  readonly machine?: MachineReadiness;
  /** The machine's domain id; only asked where a xenstore key is waited for. */
  domainId(): Promise<number | undefined>;
  readonly waitForXenstoreKey: WaitForXenstoreKey;
  /** Resolves when the machine has been heard of on its network, where somebody can tell. */
  readonly heard?: Promise<void>;
  /** Told each time `waitTimeout` is over; `missing` says what has not come yet and, where known, why. */
  onTimeout(missing: string): void;
}

/** The wait for one machine, which runs already, to become ready. */
export class ReadinessWait {
  readonly #unikernel: Unikernel;
  readonly #context: ReadinessContext;
  /** What has not come yet, each with the last trouble of the one who waits for it. */
  readonly #missing = new Map<string, string>();
  /** Aborted when nothing is waited for any more though it has not come. */
  readonly #giveUp = new AbortController();
  #timer?: ReturnType<typeof setTimeout>;

  constructor(unikernel: Unikernel, context: ReadinessContext) {
    this.#unikernel = unikernel;
    this.#context = context;
  }

  /** What has not come yet and, where known, why; empty where all has. */
  get missing(): string {
    return [...this.#missing]
      .map(([what, why]) => why ? `${what} (${why})` : what).join(" and ");
  }

  /**
   * Resolves when the machine is ready, or when `waitTimeout` is over and `waitRequired` is not set: then with what is
   * {@linkcode missing}. Where it is set, this waits on for as long as it takes. Rejects only with the signal's reason when
   * that aborts.
   */
  async run(signal: AbortSignal): Promise<string | undefined> {
    const { addresses: [address], readiness } = this.#unikernel;
    const { waitForTcp: port, waitForKey: key, responseDelay } = readiness;
    const { machine, heard } = this.#context;
    const either = AbortSignal.any([signal, this.#giveUp.signal]);
    const waits: Promise<void>[] = [];
    if (port !== undefined) {
      waits.push(
        this.#wait(
          `no TCP connection to ${address} port ${port}`,
          (onTrouble) => waitForTcp(address, port, either, onTrouble, heard),
        ),
      );
    }
    if (key !== undefined) {
      waits.push(
        this.#wait(
          `no ${key} in xenstore`,
          (onTrouble) =>
            insist(() => this.#waitForKey(key, either), either, onTrouble),
        ),
      );
    }
    if (machine !== undefined) {
      waits.push(
        this.#wait(
          `no ${machine.what}`,
          (onTrouble) => insist(() => machine.wait(either), either, onTrouble),
        ),
      );
    }
    this.extend();
    try {
      await Promise.race([Promise.all(waits), aborted(either)]);
    } catch (error) {
      if (this.#giveUp.signal.aborted && !signal.aborted) return this.missing;
      throw error;
    } finally {
      clearTimeout(this.#timer);
      this.#giveUp.abort();
    }
    if (responseDelay > 0) await delay(responseDelay * 1000, signal);
  }

  /** Gives somebody who begins to wait now `waitTimeout` to do so, if that of the others is over already. */
  extend(): void {
    if (this.#timer !== undefined || this.#missing.size === 0) return;
    const { waitTimeout, waitRequired } = this.#unikernel.readiness;
    this.#timer = timer(() => {
      this.#timer = undefined;
      this.#context.onTimeout(this.missing);
      if (!waitRequired) this.#giveUp.abort();
    }, waitTimeout * 1000);
  }

  async #wait(
    what: string,
    wait: (onTrouble: (message: string) => void) => Promise<void>,
  ): Promise<void> {
    this.#missing.set(what, "");
    await wait((message) => this.#missing.set(what, message));
    this.#missing.delete(what);
  }

  async #waitForKey(key: string, signal: AbortSignal): Promise<void> {
    const domid = await this.#context.domainId();
    if (domid === undefined) throw new Error("it has no domain id");
    await this.#context.waitForXenstoreKey(domid, key, signal);
  }
}
