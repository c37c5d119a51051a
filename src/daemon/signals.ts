/**
 * The signals that the daemon obeys, from its first moment on: a start is broken off like everything else.
 *
 * @module
 */

const STOPS = ["SIGTERM", "SIGINT"] as const;

/** See the module's comment. */
export class Signals implements Disposable {
  readonly #stop = new AbortController();
  readonly #listeners: [Deno.Signal, () => void][];
  #hangUp?: () => void;
  /** Whether SIGHUP has come before there was anybody to obey it. */
  #isHungUp = false;

  constructor() {
    this.#listeners = [
      ...STOPS.map((signal): [Deno.Signal, () => void] => [
        signal,
        () => this.#stop.abort(new Error(signal)),
      ]),
      ["SIGHUP", () => {
        if (this.#hangUp) this.#hangUp();
        else this.#isHungUp = true;
      }],
    ];
    for (const [signal, listener] of this.#listeners) {
      Deno.addSignalListener(signal, listener);
    }
  }

  /** Aborts on SIGTERM and SIGINT; the message of its reason is the signal's name. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Does this on SIGHUP from now on, and at once where that has come already. */
  onHangUp(work: () => void): void {
    this.#hangUp = work;
    if (this.#isHungUp) work();
  }

  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) {
      Deno.removeSignalListener(signal, listener);
    }
  }
}
