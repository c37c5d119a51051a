/**
 * A VM of a pool as a machine. Its state is what the events of the pool last told of it.
 *
 * @module
 */
import { log } from "../../log.ts";
import {
  BackendError,
  type Machine,
  type MachineConfig,
  type MachineState,
  type MarkPlace,
  type StartAction,
  type StateListener,
} from "../backend.ts";
import { Condition } from "./condition.ts";
import type { XapiKeys } from "./description.ts";
import { isXapiError, NoSuchVm } from "./errors.ts";
import { GuestAddress } from "./guest_address.ts";
import type { Lookup } from "./lookup.ts";
import type { Mirror } from "./mirror.ts";
import { OtherConfigMark } from "./mark.ts";
import { readVif, readVm, text, type Vm } from "./records.ts";
import type { Session } from "./session.ts";
import type { RunningTask, Tasks } from "./tasks.ts";
import type { Value } from "./xmlrpc.ts";

/** Milliseconds for which we wait until somebody else's operation on a VM is over. */
const TURN_TIME = 60_000;
/** Milliseconds after which we look whether it is over, if no event tells. */
const TURN_INTERVAL = 1_000;
/** Milliseconds after which a task's VM is read, if no event has told of what the task did to it. */
const CATCH_UP_TIME = 2_000;

/** Operations after which a VM that runs does not, and those that give one another domain without a boot. */
const LEAVING = [
  ...["suspend", "pause", "clean_shutdown", "hard_shutdown", "shutdown"],
  ...["clean_reboot", "hard_reboot"],
];
const MOVING = ["pool_migrate", "migrate_send", "checkpoint", "resume"];

/** What the machines of a pool share. */
export interface Pool {
  readonly session: Session;
  readonly mirror: Mirror;
  readonly tasks: Tasks;
  readonly lookup: Lookup;
}

/** Something to be done to a VM. */
interface Operation {
  method: string;
  /** What comes after the VM itself. */
  params?: Value[];
  /** The state that it leads to. */
  to: MachineState;
  /** What it is called where it starts a machine. */
  action?: StartAction;
  /** Whether it has come far enough when the guest was asked. */
  ask?: boolean;
  /** Whether XAPI lets it break off whatever others do to the VM, even a migration. */
  breaksOff?: boolean;
}

export class XapiMachine implements Machine {
  readonly name: string;
  readonly readiness?: GuestAddress;
  onStateChange?: StateListener;
  onReboot?: (reason: string) => void;
  readonly mark: MarkPlace;
  readonly #pool: Pool;
  readonly #config: MachineConfig<XapiKeys>;
  #id = "";
  /** The UUID of the host that it is pinned to, if it is. */
  #host?: string;
  #ref = "";
  /** The VM as it is now; nothing where the pool has it no more. */
  #vm?: Vm;
  #locating?: Promise<Vm>;
  #unfollow?: () => void;
  /** The state that was told last. */
  #told: MachineState = "off";
  /** Told whenever the VM may have changed. */
  readonly #condition = new Condition();

  constructor(pool: Pool, config: MachineConfig<XapiKeys>) {
    this.name = config.name;
    this.#pool = pool;
    this.#config = config;
    const place = new OtherConfigMark(pool.session, async () => ({
      vm: await this.#current(),
      ref: this.#ref,
    }));
    this.mark = {
      read: () => this.#explained("read the mark of", () => place.read()),
      write: (mark) => this.#explained("mark", () => place.write(mark)),
    };
    if (config.keys.wait_for_ip) {
      this.readiness = new GuestAddress(
        this.name,
        pool.session,
        pool.mirror,
        this.#condition,
        () => this.#vm,
      );
    }
  }

  /** The UUID, once {@linkcode find} has resolved. */
  get id(): string {
    return this.#id;
  }

  /** Looks for the VM. Rejects with BackendError when there is none that could be started. */
  async find(): Promise<void> {
    try {
      const host = this.#config.keys.xapi_host;
      if (host !== undefined) this.#host = await this.#pool.lookup.host(host);
      await this.#current();
    } catch (error) {
      this.release();
      throw this.#explain("find", error);
    }
  }

  /** Follows it no longer. */
  release(): void {
    this.#unfollow?.();
  }

  async state(): Promise<MachineState> {
    try {
      return (await this.#current()).state;
    } catch (error) {
      if (error instanceof NoSuchVm) return "off";
      throw this.#explain("read the state of", error);
    }
  }

  async start(): Promise<StartAction> {
    const done = await this.#change("start", (vm) => this.#toRun(vm));
    return done?.action ?? "found running";
  }

  async #toRun({ state }: Vm): Promise<Operation | undefined> {
    if (state === "running") return undefined;
    const to = "running";
    if (state === "paused") {
      return { method: "VM.unpause", to, action: "unpaused" };
    }
    const [verb, action] = state === "off"
      ? ["start", "started"] as const
      : ["resume", "resumed"] as const;
    const unpaused = false, force = false;
    if (this.#host === undefined) {
      const params = [unpaused, force];
      return { method: `VM.${verb}`, params, to, action };
    }
    const host = await this.#pool.session.call("host.get_by_uuid", this.#host);
    const params = [text(host, "host.get_by_uuid"), unpaused, force];
    return { method: `VM.${verb}_on`, params, to, action };
  }

  async destroy(): Promise<void> {
    // Not VM.destroy, which would remove the VM from the pool.
    await this.#take("destroy", {
      method: "VM.hard_shutdown",
      to: "off",
      breaksOff: true,
    });
  }

  async shutdown(): Promise<void> {
    const method = "VM.clean_shutdown";
    await this.#take("shut down", { method, to: "off", ask: true });
  }

  async suspend(): Promise<"suspended"> {
    await this.#take("suspend", { method: "VM.suspend", to: "suspended" });
    return "suspended";
  }

  macAddresses(): Promise<string[]> {
    return this.#explained("read the network interfaces of", async () => {
      const { vifs } = await this.#current();
      const found = await Promise.all(
        vifs.map(async (ref) =>
          readVif(await this.#pool.session.call("VIF.get_record", ref))
        ),
      );
      return found.sort((a, b) => a.device - b.device).map(({ mac }) => mac);
    });
  }

  /** The VM as the pool has it now. Rejects where it has become one that is not ours to start or stop. */
  async #current(): Promise<Vm> {
    await this.#pool.mirror.fresh();
    const vm = this.#vm ?? await (this.#locating ??= this.#locate()
      .finally(() => this.#locating = undefined));
    if (vm.instead === undefined) return vm;
    throw new BackendError(
      `it is ${vm.instead}, which is not to be started or stopped`,
    );
  }

  async #locate(): Promise<Vm> {
    const { lookup, mirror } = this.#pool;
    this.#unfollow?.();
    this.#unfollow = undefined;
    // A name may be given to another VM, a UUID is not.
    this.#ref = await lookup.vm(
      this.#id === "" ? this.#config : { ...this.#config, uuid: this.#id },
    );
    this.#unfollow = await mirror.follow("VM", this.#ref, {
      told: (record) => this.#tell(record),
      // What it was is not what it is: whoever asks has it looked for anew.
      unreadable: () => this.#vm = undefined,
    });
    const vm = this.#vm;
    if (vm === undefined) throw new NoSuchVm("the pool has just removed it");
    if (vm.instead === undefined) this.#id = vm.uuid;
    return vm;
  }

  #tell(record: Value | undefined): void {
    const before = this.#vm;
    const vm = this.#vm = record === undefined ? undefined : readVm(record);
    this.#condition.changed();
    const state = vm?.state ?? "off";
    if (state === this.#told) {
      if (before && vm && isReboot(before, vm)) {
        this.readiness?.rebooted(before.guestMetrics);
        this.onReboot?.(`the pool has it as domain ${vm.domid} now`);
      }
      return;
    }
    this.#told = state;
    this.onStateChange?.(
      state,
      vm === undefined
        ? "the pool has it no more"
        : `the pool has it ${vm.powerState}`,
    );
  }

  /** Brings it where the operation leads to, if it is not there. */
  async #take(what: string, operation: Operation): Promise<void> {
    if (await this.state() === operation.to) return; // or there is none, which is off
    await this.#change(
      what,
      ({ state }) => state === operation.to ? undefined : operation,
    );
  }

  /** Does what `next` says is to be done to the VM as it is, and resolves with that if anything was. */
  async #change(
    what: string,
    next: (vm: Vm) => Operation | undefined | Promise<Operation | undefined>,
  ): Promise<Operation | undefined> {
    const end = performance.now() + TURN_TIME;
    let operation: Operation | undefined;
    let waiting = false;
    const turn = async (why: string) => {
      if (!waiting) log("backend").info(`${this.name}: ${why}`);
      waiting = true;
      const idle = () => !this.#vm || this.#theirs(this.#vm) === undefined;
      await this.#condition.when(idle, { ms: TURN_INTERVAL });
    };
    try {
      for (;;) {
        const vm = await this.#current();
        const todo = await next(vm);
        if (todo?.breaksOff) {
          // An event that is on its way would come too late.
          await this.#pool.mirror.reread(this.#ref);
          if (this.#vm?.state !== vm.state) continue;
        }
        const theirs = this.#theirs(this.#vm ?? vm);
        if (theirs !== undefined && (todo || LEAVING.includes(theirs))) {
          const why = `somebody else's ${theirs} is under way`;
          if (performance.now() > end) {
            throw new BackendError(`${why}: \`xe task-list\` shows it`);
          }
          await turn(`${why}; waiting until it is over`);
          continue;
        }
        if (todo === undefined) return operation;
        operation = todo;
        try {
          await this.#carryOut(operation);
          return operation;
        } catch (error) {
          // What counts is the state it is in now, whoever brought it there. If that cannot be read, the error says why.
          await this.#pool.mirror.reread(this.#ref).catch(() => {});
          if (this.#vm?.state === operation.to) return operation;
          if (performance.now() > end) throw error;
          if (isXapiError(error, "OTHER_OPERATION_IN_PROGRESS")) {
            await turn(error.message);
          } else if (
            !isXapiError(error, "VM_BAD_POWER_STATE", "HANDLE_INVALID") ||
            this.#vm?.state === vm.state
          ) throw error;
        }
      }
    } catch (error) {
      throw this.#explain(what, error);
    }
  }

  /** What somebody else does to it at the moment, if anything. */
  #theirs({ operations }: Vm): string | undefined {
    for (const [task, name] of operations) {
      if (!this.#pool.tasks.isOurs(task)) return name;
    }
  }

  async #carryOut(operation: Operation): Promise<void> {
    const { method, params = [], to, ask } = operation;
    const { tasks, mirror } = this.#pool;
    const task = await tasks.start(this.name, method, [this.#ref, ...params]);
    if (ask) return await this.#asked(method, task);
    await task.done;
    const there = () => this.#vm?.state === to;
    if (await this.#condition.when(there, { ms: CATCH_UP_TIME })) return;
    await mirror.reread(this.#ref);
    if (there()) return;
    throw new BackendError(
      `${method} succeeded, but the VM is ${
        this.#vm?.powerState ?? "gone"
      } now: its console may tell why`,
    );
  }

  /** Resolves when the pool has accepted the task, or even ended it. What comes of it later is for the log. */
  async #asked(method: string, { ref, done }: RunningTask): Promise<void> {
    const over = new AbortController();
    const accepted = () => this.#vm?.operations.has(ref) ?? false;
    try {
      await Promise.race([
        done,
        this.#condition.when(accepted, { signal: over.signal, ms: TURN_TIME }),
      ]);
    } finally {
      over.abort();
    }
    done.catch((error) => {
      const level = isXapiError(error, "TASK_CANCELLED") ? "debug" : "warn";
      log("backend")[level](`${this.name}: ${method}: ${error.message}`);
    });
  }

  async #explained<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#explain(what, error);
    }
  }

  #explain(what: string, error: unknown): unknown {
    return error instanceof BackendError
      ? new BackendError(`cannot ${what} ${this.name}: ${error.message}`)
      : error;
  }
}

/** Whether a VM that ran has booted anew since, rather than moved to another domain as it was. */
function isReboot(before: Vm, now: Vm): boolean {
  return before.domid !== undefined && now.domid !== undefined &&
    before.domid !== now.domid && before.host === now.host &&
    ![...before.operations.values(), ...now.operations.values()]
      .some((each) => MOVING.includes(each));
}
