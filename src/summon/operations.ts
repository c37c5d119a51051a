/**
 * What is done to one machine, one thing after another.
 *
 * @module
 */

/** Marks a promise as looked after: whoever was to wait for it may be gone when it rejects. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Rejects with that message; needs no handler. */
export function refused(message: string): Promise<never> {
  return handled(Promise.reject(new Error(message)));
}

/** Runs operations so that no two overlap; each one ends the one before it. */
export class Operations {
  readonly #onError: (error: unknown) => void;
  readonly #rest: () => Promise<void>;
  /** Of the operation in flight, or of the last one. */
  #current = new AbortController();
  /** When that operation is over; never rejects. */
  #over = Promise.resolve();

  /**
   * `onError` is told why an operation rejected, unless it was only because it had been aborted. `rest` is what is waited
   * for after each one, before the next: calls that it has given up.
   */
  constructor(onError: (error: unknown) => void, rest: () => Promise<void>) {
    this.#onError = onError;
    this.#rest = rest;
  }

  /**
   * Aborts the operation in flight and runs `body` when that is over, in any case not before this returns. Settles as
   * `body` does; the promise needs no handler.
   */
  run(body: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.abort();
    const { signal } = this.#current = new AbortController();
    const operation = this.#over.then(() => body(signal));
    this.#over = operation.catch((error) => {
      if (error !== signal.reason) this.#onError(error);
    }).then(this.#rest);
    return operation;
  }

  /** Aborts the operation in flight; its signal's reason is `reason`. */
  abort(reason?: Error): void {
    this.#current.abort(reason);
  }
}
