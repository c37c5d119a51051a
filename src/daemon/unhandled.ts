/**
 * What is thrown where nobody catches it, in a timer or in a promise that nobody waits for: a mistake of ours, which
 * must be seen and must not end the service.
 *
 * @module
 */
import { log } from "../log.ts";

/** From now on, logs what nobody catches, in place of the runtime ending the process for it. */
export function outliveUnhandled(): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report(event.error);
  });
}

function report(thrown: unknown): void {
  const text = thrown instanceof Error ? thrown.stack : thrown;
  log("jitsu").error(`internal error: ${text}`);
}
