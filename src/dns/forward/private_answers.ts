/**
 * Answers that lead into the house: DNS rebinding. A page of evil.example, whose name leads to 192.168.0.10 a minute
 * later, is the same origin to a browser, and can do there what the browser can.
 *
 * Names of the public DNS have no reason to lead to private addresses, so what public servers say is held back if it
 * has some. A server that has a private address itself (the router, a server of the company, a VPN's) mostly knows
 * names of the house, and so does one that was given for a domain.
 *
 * @module
 */
import { formatAddress, parseAddress } from "../../net/address.ts";
import { isPrivate } from "../../net/private.ts";
import { ExtendedError, Rcode, Type } from "../wire/constants.ts";
import type { Message, ResourceRecord } from "../wire/message.ts";
import { formatName, isWithin, type Name } from "../wire/name.ts";
import { type Resolution, withoutRecords } from "./resolution.ts";
import type { Route } from "./routes.ts";
import type { SocketAddress } from "../../net/socket_address.ts";

/** Who may answer with private addresses: servers that have one themselves, all, or none but those of a domain. */
export const PRIVATE_ANSWERS = ["auto", "allow", "refuse"] as const;
/** What of them is held back. */
export interface PrivateAnswers {
  when: typeof PRIVATE_ANSWERS[number];
  /** Domains whose names may lead to private addresses, whoever says so. */
  exceptions: readonly Name[];
}

/**
 * What a client gets in place of a reply that leads to a private address: no records, and why. Undefined for a reply
 * that it may have. The question's name counts, not those it is an alias of, which whoever asks for trouble can choose.
 */
export function withheld(
  { when, exceptions }: PrivateAnswers,
  { questions: [{ name }], answers }: Message,
  route: Route,
  servers: readonly SocketAddress[],
): Resolution | undefined {
  if (when === "allow" || route.domain[0] !== 0) return undefined;
  if (when === "auto" && servers.some(isInHouse)) return undefined;
  const address = answers.flatMap(addressesIn).find(isPrivate);
  if (address === undefined) return undefined;
  if (exceptions.some((domain) => isWithin(name, domain))) return undefined;
  const text = `${formatName(name)} leads to the private address ${
    formatAddress(address)
  }; --rebind-ok allows it`;
  return {
    ...withoutRecords(Rcode.NOERROR, [{ code: ExtendedError.BLOCKED, text }]),
    lifetime: Math.min(...answers.map(({ ttl }) => ttl)),
  };
}

function isInHouse({ address }: SocketAddress): boolean {
  return isPrivate(parseAddress(address)!);
}

/** SvcParamKeys with addresses (RFC 9460 section 14.3.2), and how many octets each address has. */
const HINTS = new Map([[4, 4], [6, 16]]);

/** The addresses that a record leads to. */
function addressesIn({ type, rdata }: ResourceRecord): Uint8Array[] {
  switch (type) {
    case Type.A:
      return rdata.length === 4 ? [rdata] : [];
    case Type.AAAA:
      return rdata.length === 16 ? [rdata] : [];
    case Type.HTTPS:
    case Type.SVCB:
      return hintsIn(rdata);
    default:
      return [];
  }
}

function hintsIn(rdata: Uint8Array): Uint8Array[] {
  const hints: Uint8Array[] = [];
  const word = (at: number) => rdata[at] << 8 | rdata[at + 1];
  let at = 2; // the priority
  while (rdata[at] > 0) at += 1 + rdata[at];
  for (at++; at + 4 <= rdata.length;) {
    const size = HINTS.get(word(at)), end = at + 4 + word(at + 2);
    if (size !== undefined) {
      for (let from = at + 4; from + size <= end; from += size) {
        hints.push(rdata.subarray(from, from + size));
      }
    }
    at = end;
  }
  return hints.filter(({ length }) => length === 4 || length === 16);
}
