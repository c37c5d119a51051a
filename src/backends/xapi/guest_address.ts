/**
 * An IP address that the agent in a guest reports, as a sign that the guest is ready.
 *
 * @module
 */
import { log } from "../../log.ts";
import type { MachineReadiness } from "../backend.ts";
import type { Condition } from "./condition.ts";
import { isXapiError } from "./errors.ts";
import type { Mirror } from "./mirror.ts";
import { readAddresses, type Vm } from "./records.ts";
import type { Session } from "./session.ts";

/** Milliseconds after which we look whether a report is one of the new boot. */
const RECHECK_TIME = 2_000;

export class GuestAddress implements MachineReadiness {
  readonly what = "IP address from its guest's agent";
  readonly #name: string;
  readonly #session: Session;
  readonly #mirror: Mirror;
  readonly #condition: Condition;
  readonly #vm: () => Vm | undefined;
  /** What the guest reported to before it was booted anew, which XAPI removes a moment later. */
  #old?: string;

  /** `vm` is the VM as it is now, and `condition` is told when that changes. */
  constructor(
    name: string,
    session: Session,
    mirror: Mirror,
    condition: Condition,
    vm: () => Vm | undefined,
  ) {
    this.#name = name;
    this.#session = session;
    this.#mirror = mirror;
    this.#condition = condition;
    this.#vm = vm;
  }

  /** The guest boots anew: what it reported so far, at that reference, tells nothing any more. */
  rebooted(metrics?: string): void {
    this.#old = metrics;
  }

  async wait(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const metrics = this.#vm()?.guestMetrics;
      if (metrics === undefined) {
        const reports = () => this.#vm()?.guestMetrics !== undefined;
        await this.#condition.when(reports, { signal });
      } else if (metrics === this.#old && !await this.#isNew(metrics, signal)) {
        continue;
      } else if (await this.#isIn(metrics, signal)) return;
    }
  }

  /** Whether what stands at the same reference as before a reboot was reported after it. Takes its time to say no. */
  async #isNew(metrics: string, signal: AbortSignal): Promise<boolean> {
    const isOther = () => this.#vm()?.guestMetrics !== metrics;
    if (await this.#condition.when(isOther, { ms: RECHECK_TIME, signal })) {
      return false;
    }
    signal.throwIfAborted();
    const vm = this.#vm();
    if (vm === undefined) return false;
    try {
      const [updated, booted] = await Promise.all([
        this.#session.call("VM_guest_metrics.get_last_updated", metrics),
        this.#session.call("VM_metrics.get_start_time", vm.metrics),
      ]);
      if (!(updated instanceof Date && updated >= (booted as Date))) {
        return false;
      }
    } catch (error) {
      if (isXapiError(error, "HANDLE_INVALID")) return false;
      throw error;
    }
    this.#old = undefined;
    return true;
  }

  /** Resolves with true once there is an address in these metrics; with false when the VM has others, or none. */
  async #isIn(metrics: string, signal: AbortSignal): Promise<boolean> {
    let addresses: string[] = [];
    const unfollow = await this.#mirror.follow("VM_guest_metrics", metrics, {
      told: (record) => {
        addresses = record === undefined ? [] : readAddresses(record);
        this.#condition.changed();
      },
    });
    const changed = () =>
      addresses.length > 0 || this.#vm()?.guestMetrics !== metrics;
    try {
      await this.#condition.when(changed, { signal });
    } finally {
      unfollow();
    }
    if (addresses.length === 0) return false;
    const list = addresses.join(", ");
    log("backend").debug(`${this.#name}: its guest's agent reports ${list}`);
    return true;
  }
}
