/**
 * Keeping memory alive while C uses it.
 *
 * Deno turns a buffer into an address when a call is made and then forgets the buffer. That is right for a synchronous
 * call, whose caller still has it. A `nonblocking` call outlives the expression that made it, and so may the buffer's
 * last reference: the garbage collector frees memory that a pool thread is reading or about to write. The same goes for
 * addresses written into a struct.
 *
 * @module
 */

const held = new Set<readonly BufferSource[]>();

/** The call's result; until it is there, the buffers that were given to the call stay alive. */
export async function holding<T>(
  buffers: readonly BufferSource[],
  call: Promise<T>,
): Promise<T> {
  held.add(buffers);
  try {
    return await call;
  } finally {
    held.delete(buffers);
  }
}
