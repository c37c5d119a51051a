/**
 * DNS over TCP (RFC 7766).
 *
 * @module
 */
import { StreamServer } from "./stream.ts";

/** Binds a TCP socket; throws what `Deno.listen` throws. */
export function listenTcp(
  hostname: string,
  port: number,
  now: () => number,
): StreamServer {
  return new StreamServer("TCP", Deno.listen({ hostname, port }), now);
}
