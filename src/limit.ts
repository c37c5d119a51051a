/**
 * A bound on how many calls run at once. Calls into a backend may hold a thread each for as long as they take (of a
 * pool of 32 in Deno's FFI, which file I/O needs too), so they are not made without bound.
 *
 * @module
 */

/** Lets at most `max` calls run at once; the others wait for their turn, first come, first served. */
export class Limit {
  #running = 0;
  readonly #queue: (() => void)[] = [];
  readonly #idle: (() => void)[] = [];

  constructor(readonly max: number) {}

  /** Whether a call would have to wait. */
  get full(): boolean {
    return this.#running >= this.max;
  }

  /**
   * Makes `call` when its turn has come and settles as it does. When `signal` aborts before that, the call is not made
   * and this rejects with the signal's reason; afterwards the signal changes nothing.
   */
  async run<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.full) await this.#turn(signal);
    else this.#running++;
    try {
      signal?.throwIfAborted();
      return await call();
    } finally {
      this.#leave();
    }
  }

  /**
   * Resolves with a place when one is free, which is given back when it is disposed of, once. When `signal` aborts before
   * that, this rejects with the signal's reason.
   */
  async enter(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.full) await this.#turn(signal);
    else this.#running++;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#leave();
        isHeld = false;
      },
    };
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next) next(); // which takes over the place
    else if (--this.#running === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Resolves when no call runs any more, and none waits. */
  async idle(): Promise<void> {
    if (this.#running > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  #turn(signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      this.#queue.splice(this.#queue.indexOf(enter), 1);
      reject(signal!.reason);
    };
    const enter = () => {
      signal?.removeEventListener("abort", leave);
      resolve();
    };
    this.#queue.push(enter);
    signal?.addEventListener("abort", leave, { once: true });
    return promise;
  }
}
