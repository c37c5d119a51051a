/**
 * What a fake pool has and does: hosts, VMs with the lifecycle of XAPI's (xapi_vm_lifecycle.ml), tasks that take their
 * time, and guests with an agent or without.
 *
 * @module
 */
import { Database } from "./database.ts";
import { decodeReply, type Struct, type Wire } from "./wire.ts";

export type PowerState = "Halted" | "Running" | "Paused" | "Suspended";

/** XAPI's error: a code and its parameters. */
export class Failure extends Error {
  readonly description: string[];
  constructor(...description: string[]) {
    super(description.join(" "));
    this.description = description;
  }
}

export interface VmOptions {
  name: string;
  uuid?: string;
  state?: PowerState;
  macs?: string[];
  is?: "a VM" | "a template" | "a snapshot" | "a control domain";
  /** What the agent in the guest reports, if there is one, and how many milliseconds after the start. */
  agent?: { networks: Struct; after: number };
  /** What the guest does when asked to shut down. */
  shutdown?: "obeys" | "ignores" | "cannot be asked";
}

/** Milliseconds from the new domain of a VM that reboots until all else of it is that of the new boot. */
const REBOOT_LAG = 50;
/** How often an operation tells of its progress. */
const STEPS = 10;
const NULL = "OpaqueRef:NULL";

/** The record in a recorded reply, to make others like it. */
function recorded(name: string): Struct {
  const url = new URL(`../recordings/${name}.response`, import.meta.url);
  return (decodeReply(Deno.readTextFileSync(url)) as Struct).Value as Struct;
}
const VM = recorded("VM.get_record.2"), HOST = recorded("host.get_record");
const VIF = recorded("VIF.get_record");

/** What an operation needs, what it makes of a VM, and what comes after the VM in its call. */
interface Operation {
  from: PowerState[];
  to: PowerState;
  params: number;
}
const OPERATIONS: { [name: string]: Operation } = {
  start: { from: ["Halted"], to: "Running", params: 2 },
  start_on: { from: ["Halted"], to: "Running", params: 3 },
  resume: { from: ["Suspended"], to: "Running", params: 2 },
  resume_on: { from: ["Suspended"], to: "Running", params: 3 },
  unpause: { from: ["Paused"], to: "Running", params: 0 },
  pause: { from: ["Running"], to: "Paused", params: 0 },
  suspend: { from: ["Running"], to: "Suspended", params: 0 },
  clean_shutdown: { from: ["Running"], to: "Halted", params: 0 },
  hard_shutdown: {
    from: ["Paused", "Suspended", "Running"],
    to: "Halted",
    params: 0,
  },
};

export class FakePool {
  readonly db = new Database();
  readonly ref: string;
  /** Milliseconds that an operation on a VM takes. */
  taskTime = 0;
  /** Whether a VM's record changes only some time after the task on it has succeeded. */
  lateRecords = false;
  /** Whether VMs crash as soon as they run. */
  crashes = false;
  /** Operations as they were begun: `start www`. */
  readonly operations: string[] = [];
  readonly #failures: { operation: string; description: string[] }[] = [];
  readonly #vms = new Map<string, VmOptions>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** Ends the operation under way on a VM. */
  readonly #cancels = new Map<string, () => void>();
  #domid = 0;

  constructor() {
    const { db } = this;
    for (
      const type of [
        "VM",
        "VIF",
        "VM_guest_metrics",
        "VM_metrics",
        "task",
        "host",
      ]
    ) {
      db.table(type);
    }
    this.ref = db.create("pool", {
      uuid: crypto.randomUUID(),
      name_label: "fake",
      name_description: "",
      master: NULL,
      default_SR: NULL,
      other_config: {},
      ha_enabled: false,
      tags: [],
    });
  }

  addHost(name: string, address: string): string {
    return this.db.create("host", {
      ...HOST,
      uuid: crypto.randomUUID(),
      name_label: name,
      hostname: name,
      address,
      resident_VMs: [],
    });
  }

  addVm(options: VmOptions): string {
    const { name, uuid, state = "Halted", macs = [], is = "a VM" } = options;
    const ref = this.db.create("VM", {
      ...VM,
      uuid: uuid ?? crypto.randomUUID(),
      name_label: name,
      power_state: state,
      is_a_template: is === "a template" || is === "a snapshot",
      is_a_snapshot: is === "a snapshot",
      is_control_domain: is === "a control domain",
      current_operations: {},
      guest_metrics: NULL,
      metrics: this.db.create("VM_metrics", {
        uuid: crypto.randomUUID(),
        start_time: new Date(0),
      }),
      ...this.#place(state),
      VIFs: [],
    });
    // In the order of their references, not of their numbers.
    const vifs = macs.map((mac, device) =>
      this.db.create("VIF", {
        ...VIF,
        uuid: crypto.randomUUID(),
        VM: ref,
        device: String(device),
        MAC: mac,
      })
    ).reverse();
    this.db.update("VM", ref, { VIFs: vifs });
    this.#vms.set(ref, options);
    return ref;
  }

  /** Where a VM in that state is. */
  #place(state: PowerState, host?: string): Struct {
    const is = state === "Running" || state === "Paused";
    const [first] = this.db.entries("host");
    return {
      domid: is ? String(++this.#domid) : "-1",
      resident_on: is ? host ?? first?.[0] ?? NULL : NULL,
    };
  }

  /** What was said of the guest in a VM; can be changed. */
  guest(name: string): VmOptions {
    return [...this.#vms.values()].find((each) => each.name === name)!;
  }

  vm(ref: string): Struct {
    const record = this.db.get("VM", ref);
    if (record === undefined) throw new Failure("HANDLE_INVALID", "VM", ref);
    return record;
  }

  /** Somebody else brings a VM into a state. */
  become(ref: string, state: PowerState): void {
    this.#set(ref, state);
  }

  /** The guest reboots, or somebody has it do so. */
  reboot(ref: string): void {
    const { resident_on } = this.vm(ref);
    this.db.update("VM", ref, this.#place("Running", String(resident_on)));
    this.#later(REBOOT_LAG, () => this.#booted(ref));
  }

  /** A VM was booted just now. XAPI's times have no fractions of seconds. */
  #booted(ref: string): void {
    const start_time = new Date(Math.floor(Date.now() / 1000) * 1000);
    const { metrics, guest_metrics } = this.vm(ref);
    this.db.update("VM_metrics", String(metrics), { start_time });
    if (guest_metrics !== NULL) {
      this.db.update("VM", ref, { guest_metrics: NULL });
      this.db.remove("VM_guest_metrics", guest_metrics as string);
    }
    const agent = this.#vms.get(ref)?.agent;
    if (agent !== undefined) {
      this.#later(agent.after, () => this.report(ref, {}));
    }
    if (agent !== undefined) {
      this.#later(agent.after + 10, () => this.report(ref, agent.networks));
    }
  }

  /** Changes one key of a VM's other_config; removes it where there is no value. */
  setOtherConfig(ref: string, key: string, value?: string): void {
    const { [key]: before, ...rest } = this.vm(ref).other_config as Struct;
    if (value !== undefined && before !== undefined) {
      throw new Failure("MAP_DUPLICATE_KEY", "VM", "other_config", ref, key);
    }
    const other_config = value === undefined ? rest : { ...rest, [key]: value };
    this.db.update("VM", ref, { other_config });
  }

  remove(ref: string): void {
    this.db.remove("VM", ref);
  }

  /** Has the next task of that operation end in an error. */
  failNext(operation: string, ...description: string[]): void {
    this.#failures.push({ operation, description });
  }

  /** Begins an operation on a VM, and resolves when it is over. */
  async operate(
    name: string,
    params: Wire[],
    task = NULL,
    onProgress: (progress: number) => void = () => {},
  ): Promise<string> {
    const [ref, ...rest] = params as string[];
    const vm = this.vm(ref);
    const { to } = this.#check(name, ref, vm);
    const failure = this.#failures.findIndex((each) => each.operation === name);
    if (failure >= 0) {
      const [{ description }] = this.#failures.splice(failure, 1);
      await this.#sleep(this.taskTime);
      throw new Failure(...description);
    }
    this.operations.push(`${name} ${vm.name_label}`);
    this.#cancels.get(ref)?.();
    this.db.update("VM", ref, { current_operations: { [task]: name } });
    const { promise: cancelled, reject } = Promise.withResolvers<never>();
    cancelled.catch(() => {});
    const cancel = () => reject(new Failure("TASK_CANCELLED", task));
    this.#cancels.set(ref, cancel);
    try {
      const steps = name === "clean_shutdown" &&
          this.#vms.get(ref)?.shutdown === "ignores"
        ? Infinity
        : STEPS;
      for (let step = 1; step <= steps; step++) {
        await Promise.race([this.#sleep(this.taskTime / STEPS), cancelled]);
        if (steps !== Infinity) onProgress(step / steps);
      }
    } finally {
      if (this.#cancels.get(ref) === cancel) {
        this.#cancels.delete(ref);
        if (this.db.get("VM", ref)) {
          this.db.update("VM", ref, { current_operations: {} });
        }
      }
    }
    const host = name.endsWith("_on") ? rest[0] : undefined;
    if (this.crashes) {
      this.db.mute(() => this.#set(ref, to, host));
      this.#set(ref, "Halted");
    } else if (this.lateRecords) {
      this.#later(50, () => this.#set(ref, to, host));
    } else this.#set(ref, to, host);
    return "";
  }

  /** Somebody cancels what is under way on a VM. */
  cancel(ref: string): void {
    this.#cancels.get(ref)?.();
  }

  static arity(name: string): number | undefined {
    const operation = OPERATIONS[name];
    return operation && 1 + operation.params;
  }

  #check(name: string, ref: string, vm: Struct): Operation {
    const operation = OPERATIONS[name];
    if (vm.is_a_snapshot) throw new Failure("VM_IS_SNAPSHOT", ref, name);
    if (vm.is_a_template) throw new Failure("VM_IS_TEMPLATE", ref, name);
    const [[task, current] = []] = Object.entries(vm.current_operations);
    const jumps = name === "hard_shutdown" && current !== "hard_shutdown";
    if (task !== undefined && !jumps) {
      throw new Failure(
        "OTHER_OPERATION_IN_PROGRESS",
        "VM",
        ref,
        String(current),
        task,
      );
    }
    const state = vm.power_state as PowerState;
    if (!operation.from.includes(state)) {
      throw new Failure(
        "VM_BAD_POWER_STATE",
        ref,
        operation.from.join(", ").toLowerCase(),
        state.toLowerCase(),
      );
    }
    const shutdown = this.#vms.get(ref)?.shutdown;
    if (name === "clean_shutdown" && shutdown === "cannot be asked") {
      throw new Failure("VM_LACKS_FEATURE", ref);
    }
    return operation;
  }

  #set(ref: string, state: PowerState, host?: string): void {
    const { power_state: before } = this.vm(ref);
    this.db.update("VM", ref, {
      power_state: state,
      ...this.#place(state, host),
    });
    const boots = before === "Halted" && state === "Running";
    if (boots) this.#booted(ref);
  }

  /** The agent in a guest reports its addresses. */
  report(ref: string, networks: Struct): void {
    const { guest_metrics } = this.vm(ref);
    if (guest_metrics !== NULL) {
      this.db.update("VM_guest_metrics", guest_metrics as string, { networks });
      return;
    }
    const metrics = this.db.create("VM_guest_metrics", {
      uuid: crypto.randomUUID(),
      os_version: {},
      PV_drivers_version: {},
      memory: {},
      disks: {},
      networks,
      other: { "feature-shutdown": "1" },
      last_updated: new Date(0),
      live: true,
    });
    this.db.update("VM", ref, { guest_metrics: metrics });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#later(ms, resolve));
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
