/**
 * What the tests of the summoner share: a unikernel, a stage on fake time.
 *
 * @module
 */
import { FakeTime } from "@std/testing/time";
import type { MachineState } from "../../src/backends/backend.ts";
import type { Past } from "../../src/summon/context.ts";
import type {
  BootingMachine,
  ConnectionHolder,
  Hold,
} from "../../src/summon/hold.ts";
import type { SummonedUnikernel } from "../../src/summon/summons.ts";
import { Summoner, type SummonerOptions } from "../../src/fleet/summoner.ts";
import type { Readiness, Unikernel } from "../../src/summon/unikernel.ts";
import { collectLog } from "../collect_log.ts";
import { elapse } from "../elapse.ts";
import { FakeMachine } from "./fake_machine.ts";

export function unikernel(
  { readiness, ...rest }: Partial<Omit<Unikernel, "readiness">> & {
    readiness?: Partial<Readiness>;
  } = {},
): Unikernel {
  const name = rest.name ?? "www";
  return {
    name,
    dns: [`${name}.example.org`],
    addresses: ["127.0.0.1"],
    ttl: 60,
    mode: "destroy",
    shutdownTimeout: 30,
    adopt: "stop",
    readiness: {
      responseDelay: 0,
      waitTimeout: 5,
      waitRequired: false,
      ...readiness,
    },
    useSynjitsu: false,
    synjitsuNic: 0,
    catchNic: 0,
    answer: "late",
    machine: { name, keys: {} },
    spec: `name=${name}`,
    fromFile: false,
    ...rest,
  };
}

/** A test on the real clock, which Deno checks for timers and connections left behind. */
export function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: true, sanitizeResources: true });
}

/** A xenstore in which each guest writes its key when told to. */
export class FakeXenstore {
  readonly #written = new Set<number>();
  readonly #waiting = new Map<number, (() => void)[]>();

  write(domid: number): void {
    this.#written.add(domid);
    for (const resolve of this.#waiting.get(domid) ?? []) resolve();
    this.#waiting.delete(domid);
  }
  has(domid: number): boolean {
    return this.#written.has(domid);
  }
  wait(domid: number, _key: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.has(domid)) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.set(domid, [...this.#waiting.get(domid) ?? [], resolve]);
    signal.addEventListener("abort", () => reject(signal.reason));
    return promise;
  }
}

/** Keeps what it was told, as `name booting MACS`, `name ready` and `name ended`. */
export class FakeHolder implements ConnectionHolder {
  readonly told: string[] = [];

  hold({ unikernel: { name }, macs }: BootingMachine): Hold {
    this.told.push(`${name} booting ${macs.join()}`);
    return {
      ready: () => this.told.push(`${name} ready`),
      ended: () => this.told.push(`${name} ended`),
    };
  }
}

/** A summoner with machines on fake time. */
export class Stage {
  readonly time = new FakeTime(0);
  readonly log = collectLog("summon");
  readonly xenstore = new FakeXenstore();
  /** Each change of state as `name: from -> to (cause)`. */
  readonly transitions: string[] = [];
  /** Who brought each of them about. */
  readonly origins: string[] = [];
  readonly summoner: Summoner;

  constructor(options: SummonerOptions = {}) {
    this.summoner = new Summoner({
      now: Date.now,
      waitForXenstoreKey: (domid, key, signal) =>
        this.xenstore.wait(domid, key, signal),
      ...options,
    });
    this.summoner.transitions.subscribe(
      ({ unikernel, from, to, origin, cause }) => {
        this.transitions.push(`${unikernel}: ${from} -> ${to} (${cause})`);
        this.origins.push(origin);
      },
    );
  }
  /** Adds a unikernel whose machine is `machine`. */
  add(
    overrides: Parameters<typeof unikernel>[0] = {},
    machine = new FakeMachine(overrides.name),
    past?: Past,
  ): Promise<SummonedUnikernel> {
    return this.summoner.add(unikernel(overrides), machine, past);
  }
  /** Adds a unikernel called www, whose machine is in `state`. */
  async www(
    overrides: Parameters<typeof unikernel>[0] = {},
    state: MachineState = "off",
  ): Promise<{ machine: FakeMachine; www: SummonedUnikernel }> {
    const machine = new FakeMachine();
    machine.become(state);
    return { machine, www: await this.add(overrides, machine) };
  }
  /** See {@linkcode elapse}. */
  elapse(ms: number): Promise<void> {
    return elapse(this.time, ms);
  }
  [Symbol.dispose](): void {
    this.summoner.close();
    this.time.restore();
  }
}

/** What became of a promise so far. */
export class Outcome {
  state: "pending" | "resolved" | "rejected" = "pending";
  message?: string;

  constructor(promise: Promise<void>) {
    promise.then(
      () => this.state = "resolved",
      (error) => {
        this.state = "rejected";
        this.message = error.message;
      },
    );
  }
}
