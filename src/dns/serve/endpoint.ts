/**
 * A place where DNS is served.
 *
 * @module
 */
import type { Responder } from "./responder.ts";

/** Sockets that are bound, so that what comes waits in them until it is served. */
export interface Endpoint {
  /** Serves from now on; called once. */
  serve(responder: Responder): void;
  /** Takes no more queries; responses that are still to come are sent. */
  drain(): void;
  /** Lets go of its sockets, and hangs up on whoever is connected. */
  close(): Promise<void>;
}

/** One on a single address and port. */
export interface BoundEndpoint extends Endpoint {
  readonly address: Deno.NetAddr;
}
