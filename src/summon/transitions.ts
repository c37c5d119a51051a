/**
 * Who is told of changes of state: the store, and whatever else follows what becomes of unikernels.
 *
 * @module
 */
import type { Transition } from "./states.ts";
import type { SummonStatus } from "./status.ts";
import { messageOf, unikernelLog } from "./text.ts";

/**
 * Told of each change of state as it happens, with how the unikernel is by then. Returns at once; what it has to do to a
 * unikernel, it does later. What is thrown goes to the log.
 */
export type TransitionListener = (
  transition: Transition,
  status: SummonStatus,
) => void;

/** The changes of state of all unikernels. */
export interface Transitions {
  /** Tells `listener` of each from now on, until what is returned is disposed of. */
  subscribe(listener: TransitionListener): Disposable;
}

/** {@linkcode Transitions} for whoever makes them. */
export class TransitionFeed implements Transitions {
  /** Each subscription is one of its own, also where the listener is the same. */
  readonly #subscriptions = new Set<{ listener: TransitionListener }>();

  subscribe(listener: TransitionListener): Disposable {
    const subscription = { listener };
    this.#subscriptions.add(subscription);
    return {
      [Symbol.dispose]: () => {
        this.#subscriptions.delete(subscription);
      },
    };
  }

  /** Tells everybody, in the order in which they subscribed. Never throws. */
  publish(transition: Transition, status: SummonStatus): void {
    for (const { listener } of this.#subscriptions) {
      try {
        listener(transition, status);
      } catch (error) {
        const { unikernel, from, to } = transition;
        unikernelLog(unikernel)(
          "error",
          `a listener to ${from} -> ${to} failed: ${messageOf(error)}`,
          { from, to },
        );
      }
    }
  }
}
