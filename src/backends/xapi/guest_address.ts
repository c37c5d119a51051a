/**
 * An IP address that the agent in a guest reports, as a sign that the guest is ready.
 *
 * @module
 */
import { log } from "../../log.ts";
import type { MachineReadiness } from "../backend.ts";
import type { Condition } from "./condition.ts";
import type { Mirror } from "./mirror.ts";
import { readAddresses, type Vm } from "./records.ts";

export class GuestAddress implements MachineReadiness {
  readonly what = "IP address from its guest's agent";
  readonly #name: string;
  readonly #mirror: Mirror;
  readonly #condition: Condition;
  readonly #vm: () => Vm | undefined;

  /** `vm` is the VM as it is now, and `condition` is told when that changes. */
  constructor(
    name: string,
    mirror: Mirror,
    condition: Condition,
    vm: () => Vm | undefined,
  ) {
    this.#name = name;
    this.#mirror = mirror;
    this.#condition = condition;
    this.#vm = vm;
  }

  async wait(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const metrics = this.#vm()?.guestMetrics;
      if (metrics === undefined) {
        const reports = () => this.#vm()?.guestMetrics !== undefined;
        await this.#condition.when(reports, { signal });
      } else if (await this.#isIn(metrics, signal)) return;
    }
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
