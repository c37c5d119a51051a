/**
 * The Internet checksum (RFC 1071), of headers and of what has a pseudo-header before it (RFC 9293 section 3.1,
 * RFC 8200 section 8.1).
 *
 * @module
 */

/** The ones' complement sum of 16-bit words, folded; an odd last octet is padded with zero. */
export function onesSum(octets: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < octets.length; i += 2) {
    sum += octets[i] << 8 | (octets[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** The sum of the pseudo-header: two addresses of one family, the length of what follows, and its protocol. */
export function pseudoHeaderSum(
  source: Uint8Array,
  destination: Uint8Array,
  length: number,
  protocol: number,
): number {
  return onesSum(destination, onesSum(source, length + protocol));
}
