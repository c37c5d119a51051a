/**
 * Messages on a stream: each has its length in two octets before it (RFC 1035 section 4.2.2).
 *
 * @module
 */

/** A message with its length before it, in one piece (RFC 7766 section 8). */
export function framed(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const octets = new Uint8Array(2 + message.length);
  octets.set([message.length >> 8, message.length]);
  octets.set(message, 2);
  return octets;
}

/**
 * The messages that come, each in memory of its own. Ends where the other side does, where it sends a message of no
 * octets, or where reading fails: it was reset, or closed by us.
 */
export async function* messages(
  conn: Pick<Deno.Conn, "read">,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let buffer = new Uint8Array(2048), start = 0, end = 0;
  for (;;) {
    const size = end - start < 2
      ? 2
      : 2 + (buffer[start] << 8 | buffer[start + 1]);
    if (end - start >= size && size > 2) {
      yield buffer.slice(start + 2, start + size);
      start += size;
      continue;
    }
    if (size === 2 && end - start >= 2) return; // a message of no octets
    if (start + size > buffer.length) {
      const larger = size > buffer.length ? new Uint8Array(size) : buffer;
      larger.set(buffer.subarray(start, end));
      buffer = larger;
      end -= start;
      start = 0;
    }
    let count: number | null;
    try {
      count = await conn.read(buffer.subarray(end));
    } catch {
      return;
    }
    if (count === null) return;
    end += count;
  }
}

/** Writes all of it. Throws what `conn.write` throws. */
export async function writeAll(
  conn: Pick<Deno.Conn, "write">,
  octets: Uint8Array,
): Promise<void> {
  for (let at = 0; at < octets.length;) {
    at += await conn.write(octets.subarray(at));
  }
}
