/**
 * C strings: NUL-terminated UTF-8, in and out.
 *
 * @module
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The text as a C string. The caller keeps it alive while C may read it (see hold.ts).
 *
 * @throws {TypeError} for text with a NUL in it, which C would see cut short
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) {
    throw new TypeError(
      `${JSON.stringify(text)} holds a NUL character, which C cannot pass on`,
    );
  }
  return encoder.encode(text + "\0");
}

/** The text of a C string; bytes that are not UTF-8 become U+FFFD. The memory stays C's. */
export function readCString(pointer: Deno.PointerObject): string {
  try {
    return Deno.UnsafePointerView.getCString(pointer);
  } catch {
    // Not UTF-8, which getCString refuses.
    const view = new Deno.UnsafePointerView(pointer);
    let length = 0;
    while (view.getUint8(length) !== 0) length++;
    return decoder.decode(view.getArrayBuffer(length).slice(0));
  }
}
