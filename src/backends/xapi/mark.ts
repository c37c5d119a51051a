/**
 * The place for a mark on a VM: a key of its other_config, where every Jitsu of the pool's sees it. It outlives the run
 * of the VM, so what stands there begins with which run it is of: the domain, and when that was booted.
 *
 * @module
 */
import { BackendError, type MarkPlace } from "../backend.ts";
import { isXapiError } from "./errors.ts";
import { MARK_KEY, type Vm } from "./records.ts";
import type { Session } from "./session.ts";

export class OtherConfigMark implements MarkPlace {
  readonly #session: Session;
  readonly #current: () => Promise<{ vm: Vm; ref: string }>;

  /** `current` is the VM as it is now, and its reference. */
  constructor(
    session: Session,
    current: () => Promise<{ vm: Vm; ref: string }>,
  ) {
    this.#session = session;
    this.#current = current;
  }

  async read(): Promise<string | undefined> {
    const { vm } = await this.#current();
    if (vm.mark === undefined || vm.domid === undefined) return undefined;
    const [run, mark] = vm.mark.split(" ");
    return run === await this.#runOf(vm) ? mark : undefined;
  }

  async write(mark: string): Promise<void> {
    const { vm, ref } = await this.#current();
    if (vm.domid === undefined) {
      throw new BackendError(
        `it does not run: the pool has it ${vm.powerState}`,
      );
    }
    const text = `${await this.#runOf(vm)} ${mark}`;
    // A key that is there cannot be added, and another Jitsu may be just as far.
    for (let tries = 1;; tries++) {
      await this.#session.call("VM.remove_from_other_config", ref, MARK_KEY);
      try {
        await this.#session.call("VM.add_to_other_config", ref, MARK_KEY, text);
        return;
      } catch (error) {
        if (!isXapiError(error, "MAP_DUPLICATE_KEY") || tries === 3) {
          throw error;
        }
      }
    }
  }

  /** What tells this run of the VM from all others. */
  async #runOf({ domid, metrics }: Vm): Promise<string> {
    const time = await this.#session.call("VM_metrics.get_start_time", metrics);
    if (!(time instanceof Date)) {
      throw new BackendError("the pool does not say when it was booted");
    }
    return `${domid}@${time.getTime() / 1000}`;
  }
}
