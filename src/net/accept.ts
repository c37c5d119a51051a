/**
 * Accepting connections for as long as a listener is open, whatever goes wrong meanwhile: out of file descriptors, or a
 * client that hung up before it was accepted.
 *
 * @module
 */
import { delay } from "../wait.ts";

/** Milliseconds after a failure: it must not become a busy loop. */
const PAUSE = 100;

/** A listener as `Deno.listen` gives it, and what is done with its connections. */
export interface Accepting<C> {
  listener: { accept(): Promise<C> };
  /** Whether it was closed, which is the only reason to end. */
  isClosed(): boolean;
  /** Must not throw. */
  take(connection: C): void;
  /** Told each time that a connection could not be accepted. */
  onTrouble(error: unknown): void;
}

/** Hands each connection on; resolves once the listener is closed. */
export async function acceptAll<C>(
  { listener, isClosed, take, onTrouble }: Accepting<C>,
): Promise<void> {
  while (!isClosed()) {
    let connection: C;
    try {
      connection = await listener.accept();
    } catch (error) {
      if (isClosed()) return;
      onTrouble(error);
      await delay(PAUSE);
      continue;
    }
    take(connection);
  }
}
