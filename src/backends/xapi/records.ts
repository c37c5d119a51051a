/**
 * What we need of XAPI's records (xapi's datamodel), taken out of them and checked.
 *
 * @module
 */
import { BackendError, type MachineState } from "../backend.ts";
import type { Struct, Value } from "./xmlrpc.ts";

/** `VM.power_state`, by what it is to us. */
const STATES: Record<string, MachineState> = {
  Halted: "off",
  Running: "running",
  Paused: "paused",
  Suspended: "suspended",
};

/**
 * The key of other_config that is ours. XenCenter shows such fields where somebody adds one of that name; what counts
 * here is that the role vm-operator may write them, where any other key needs vm-admin (datamodel_vm.ml).
 */
export const MARK_KEY = "XenCenter.CustomFields.jitsu";

/** The reference to no object. */
const NULL = "OpaqueRef:NULL";

/** A VM. */
export interface Vm {
  uuid: string;
  nameLabel: string;
  state: MachineState;
  /** As XAPI has it: Halted, Running, Paused or Suspended. */
  powerState: string;
  /** The domain id on the host where it runs. */
  domid?: number;
  /** References. */
  vifs: string[];
  /** A reference, where its guest has an agent. */
  guestMetrics?: string;
  /** What is done to it at the moment, by the references of the tasks that do so. */
  operations: ReadonlyMap<string, string>;
  /** The host that it runs on, a reference. */
  host: string;
  /** A reference. */
  metrics: string;
  /** What stands in its other_config for Jitsu. */
  mark?: string;
  /** What it is instead of a VM that can be started. */
  instead?: "a template" | "a snapshot" | "a control domain";
}

export function readVm(record: Value): Vm {
  const vm = struct(record, "VM");
  const powerState = text(vm.power_state, "VM.power_state");
  const state = STATES[powerState];
  if (state === undefined) throw misfit("VM.power_state", powerState);
  const domid = Number(text(vm.domid, "VM.domid"));
  const guestMetrics = text(vm.guest_metrics, "VM.guest_metrics");
  const mark = struct(vm.other_config, "VM.other_config")[MARK_KEY];
  return {
    uuid: text(vm.uuid, "VM.uuid"),
    nameLabel: text(vm.name_label, "VM.name_label"),
    state,
    powerState,
    domid: domid >= 0 ? domid : undefined,
    vifs: texts(vm.VIFs, "VM.VIFs"),
    guestMetrics: guestMetrics === NULL ? undefined : guestMetrics,
    operations: new Map(
      Object.entries(struct(vm.current_operations, "VM.current_operations"))
        .map(([task, name]) => [task, text(name, "VM.current_operations")]),
    ),
    host: text(vm.resident_on, "VM.resident_on"),
    metrics: text(vm.metrics, "VM.metrics"),
    mark: mark === undefined ? undefined : text(mark, "VM.other_config"),
    // A snapshot is a template, too.
    instead: vm.is_a_snapshot === true
      ? "a snapshot"
      : vm.is_a_template === true
      ? "a template"
      : vm.is_control_domain === true
      ? "a control domain"
      : undefined,
  };
}

/** A task. */
export interface Task {
  /** `pending`, `cancelling`, `success`, `failure` or `cancelled`. */
  status: string;
  /** From 0 to 1. */
  progress: number;
  /** The code of an error and its parameters, or nothing. */
  errorInfo: string[];
}

export function readTask(record: Value): Task {
  const task = struct(record, "task");
  if (typeof task.progress !== "number") {
    throw misfit("task.progress", task.progress);
  }
  return {
    status: text(task.status, "task.status"),
    progress: task.progress,
    errorInfo: texts(task.error_info, "task.error_info"),
  };
}

/** A network interface of a VM: its number, and its MAC address in lower case. */
export function readVif(record: Value): { device: number; mac: string } {
  const vif = struct(record, "VIF");
  return {
    device: Number(text(vif.device, "VIF.device")),
    mac: text(vif.MAC, "VIF.MAC").toLowerCase(),
  };
}

/** The addresses that the agent in a guest reports, without those that are good on a link only. */
export function readAddresses(record: Value): string[] {
  // "0/ip", "0/ipv4/0", "0/ipv6/0", ...: the number of the interface, and what about it.
  const networks = struct(
    struct(record, "VM_guest_metrics").networks,
    "VM_guest_metrics.networks",
  );
  const addresses = Object.entries(networks).flatMap(([key, value]) =>
    /^\d+\/ip(v[46]\/|$)/.test(key) && typeof value === "string" ? [value] : []
  );
  return [...new Set(addresses)].filter((address) =>
    address !== "" && !/^(fe[89ab]|169\.254\.)/i.test(address)
  );
}

/** The names in an answer of `get_all_records_where`. */
export function readNames(records: Value): string[] {
  return Object.values(struct(records, "get_all_records_where")).map((each) =>
    text(struct(each, "record").name_label, "name_label")
  );
}

/** An event of `event.from`. */
export interface PoolEvent {
  /** In lower case: `vm`, `task`, ... */
  type: string;
  ref: string;
  /** The object as it is now; nothing where it is gone. */
  record?: Value;
}

export function readEvents(
  reply: Value,
): { token: string; events: PoolEvent[] } {
  const { token, events } = struct(reply, "event.from");
  if (!Array.isArray(events)) throw misfit("event.from.events", events);
  return {
    token: text(token, "event.from.token"),
    events: events.map((each) => {
      const event = struct(each, "event");
      const gone = text(event.operation, "event.operation") === "del";
      return {
        type: text(event.class, "event.class"),
        ref: text(event.ref, "event.ref"),
        record: gone ? undefined : event.snapshot,
      };
    }),
  };
}

/** Whether a text is a UUID, in either case. */
export function isUuid(text: string): boolean {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text);
}

function struct(value: Value | undefined, what: string): Struct {
  if (
    typeof value !== "object" || value === null || Array.isArray(value) ||
    value instanceof Date
  ) throw misfit(what, value);
  return value as Struct;
}

/** The value, which must be a text. `what` is its name for errors. */
export function text(value: Value | undefined, what: string): string {
  if (typeof value !== "string") throw misfit(what, value);
  return value;
}

/** The value, which must be an array of texts. */
export function texts(value: Value | undefined, what: string): string[] {
  if (!Array.isArray(value)) throw misfit(what, value);
  return value.map((each) => text(each, what));
}

function misfit(what: string, value: unknown): BackendError {
  return new BackendError(
    `this XAPI is not one that Jitsu knows: its ${what} is ${
      JSON.stringify(value)?.slice(0, 50) ?? "missing"
    }`,
  );
}
