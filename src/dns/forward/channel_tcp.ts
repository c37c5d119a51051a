/**
 * One query put to one server over TCP, on a connection of its own (RFC 7766). What the reply is worth is the caller's
 * business.
 *
 * @module
 */
import type { SocketAddress } from "../../net/socket_address.ts";

/**
 * Sends a query and resolves with the one message that comes back. Rejects when there is no connection, or it ends
 * before that message does, and with the signal's reason.
 */
export async function exchangeOverTcp(
  query: Uint8Array,
  { address, port }: SocketAddress,
  signal: AbortSignal,
): Promise<Uint8Array> {
  signal.throwIfAborted();
  const connection = await Deno.connect({ hostname: address, port, signal });
  let open = true;
  const close = () => {
    if (open) connection.close();
    open = false;
  };
  signal.addEventListener("abort", close);
  try {
    const framed = Uint8Array.of(query.length >> 8, query.length, ...query);
    for (let sent = 0; sent < framed.length;) {
      sent += await connection.write(framed.subarray(sent));
    }
    const [high, low] = await readExactly(connection, 2);
    return await readExactly(connection, high << 8 | low);
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

async function readExactly(
  connection: Deno.Conn,
  length: number,
): Promise<Uint8Array> {
  const octets = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await connection.read(octets.subarray(at));
    if (count === null) throw new Error("the connection ended early");
    at += count;
  }
  return octets;
}
