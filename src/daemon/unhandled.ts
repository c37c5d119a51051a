/**
 * What is thrown where nobody catches it, in a timer or in a promise that nobody waits for: a mistake of ours, which
 * must be seen and must not end the service.
 *
 * @module
 */
import { log } from "../log.ts";

/** Until it is disposed of, logs what nobody catches, in place of the runtime ending the process for it. */
export function outliveUnhandled(): Disposable {
  const listening = new AbortController(), { signal } = listening;
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(event.reason);
  }, { signal });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report(event.error);
  }, { signal });
  return { [Symbol.dispose]: () => listening.abort() };
}

function report(thrown: unknown): void {
  const text = thrown instanceof Error ? thrown.stack : thrown;
  log("jitsu").error(`internal error: ${text}`);
}
