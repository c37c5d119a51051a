/**
 * IPv4 and IPv6 addresses: between text and the octets of A and AAAA records.
 *
 * @module
 */
import { isIPv4, isIPv6 } from "node:net";

/** The 4 or 16 octets of an address in text form; undefined when it is none. */
export function parseAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  // An IPv4 tail is two groups written in decimal (RFC 4291 section 2.2).
  const tail = /[0-9]+\.[0-9.]+$/.exec(text)?.[0];
  const [high, low] =
    (tail === undefined ? text : text.slice(0, -tail.length) + ipv4Groups(tail))
      .split("::");
  const groups = (part: string | undefined) => part ? part.split(":") : [];
  const head = groups(high), rest = groups(low);
  const all = [
    ...head,
    ...Array(8 - head.length - rest.length).fill("0"),
    ...rest,
  ];
  return Uint8Array.from(
    all.flatMap((
      group,
    ) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]),
  );
}

function ipv4Groups(text: string): string {
  const [a, b, c, d] = text.split(".").map(Number);
  return `${(a << 8 | b).toString(16)}:${(c << 8 | d).toString(16)}`;
}

/** The text form of 4 or 16 octets; IPv6 as RFC 5952 recommends. */
export function formatAddress(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  const groups = Array.from(
    { length: 8 },
    (_, i) => octets[2 * i] << 8 | octets[2 * i + 1],
  );
  // The longest run of zero groups, the first of equals, two at least, becomes "::".
  let best = 0, bestLength = 1;
  for (let i = 0, run = 0; i < 8; i++) {
    run = groups[i] === 0 ? run + 1 : 0;
    if (run > bestLength) [best, bestLength] = [i - run + 1, run];
  }
  const hex = (part: number[]) =>
    part.map((group) => group.toString(16)).join(":");
  return bestLength === 1
    ? hex(groups)
    : `${hex(groups.slice(0, best))}::${hex(groups.slice(best + bestLength))}`;
}

/** An address of either family in canonical text form; undefined when the text is none. */
export function canonicalAddress(text: string): string | undefined {
  const octets = parseAddress(text);
  return octets && formatAddress(octets);
}
