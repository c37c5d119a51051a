/**
 * MAC addresses as text, six lower-case hex pairs with colons, and as octets.
 *
 * @module
 */

/** The text of an address of six octets. */
export function macText(octets: Uint8Array): string {
  return octets.toHex().replaceAll(/(..)(?=.)/g, "$1:");
}

/** The six octets of an address. */
export function macOctets(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(text.replaceAll(":", ""));
}
