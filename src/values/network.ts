/**
 * Values of the network as people write them, read as in readers.ts: ports, addresses, networks, DNS names and servers.
 *
 * @module
 */
import { domainToASCII } from "node:url";
import { formatAddress, parseAddress } from "../net/address.ts";
import { MAX_LABEL, MAX_NAME } from "../dns/wire/name.ts";
import { type Network, parseNetwork } from "../net/network.ts";
import { isWildcard } from "../net/own_addresses.ts";
import { type Reader, readInteger, ValueError } from "./readers.ts";

/** Seconds in RFC 2181 section 8's largest TTL, 2^31 - 1. */
const MAX_TTL = 2 ** 31 - 1;
export const readPort: Reader<number> = readInteger(1, 65535, "a port number");
/** A port to listen on: 0 lets the system choose. */
export const readListenPort: Reader<number> = readInteger(
  0,
  65535,
  "a port number",
);

/** A network interface's name, as the kernel takes them (dev_valid_name in net/core/dev.c). */
export function readInterface(text: string): string {
  if (!/^(?!\.\.?$)[^\s\/:]{1,15}$/.test(text)) {
    throw new ValueError(
      "the name of a network interface, such as virbr0 (see ip link)",
    );
  }
  return text;
}

/** A network in CIDR notation, or one address. */
export function readNetwork(text: string): Network {
  const network = parseNetwork(text);
  if (network === undefined) {
    throw new ValueError("a network, such as 192.0.2.0/24 or 2001:db8::/32");
  }
  return network;
}

/** The octets of an EDNS option that every response has room for. */
const MAX_NSID = 64;
/** A name server identifier. */
export function readNsid(text: string): string {
  const { length } = new TextEncoder().encode(text);
  if (length > MAX_NSID) {
    throw new ValueError(
      `a text of at most ${MAX_NSID} octets: it has ${length}`,
    );
  }
  return text;
}

const readTtlSeconds = readInteger(1, MAX_TTL, "a whole number of seconds");
/** A TTL: whole seconds, at least 1. */
export function readTtl(text: string): number {
  if (/^0+$/.test(text)) {
    throw new ValueError(
      "a TTL of at least 1: a machine is stopped after 2 x TTL seconds without a request",
    );
  }
  return readTtlSeconds(text);
}

/** The address of one host, IPv4 or IPv6, in canonical text form. */
export function readAddress(text: string): string {
  const address = readBindAddress(text);
  if (isWildcard(address)) {
    throw new ValueError(
      "the address of one host: it is the unspecified address",
    );
  }
  return address;
}

/** Where a DNS server is, or is to be, whose port may be given elsewhere. */
export interface ServerText {
  /** Canonical. */
  address: string;
  port: number | undefined;
}

/** A DNS server, as `ADDR` or, as dig writes it, `ADDR#PORT`. */
export function readServer(text: string): ServerText {
  const [address, port] = split(text, "#");
  return {
    address: readAddress(address),
    port: port === undefined ? undefined : readPort(port),
  };
}

/** The same of a server that is to be bound to, which may stand for all of this host's addresses or any port. */
export function readBind(text: string): ServerText {
  const [address, port] = split(text, "#");
  return {
    address: readBindAddress(address),
    port: port === undefined ? undefined : readListenPort(port),
  };
}

/** A domain and the DNS server that is asked about it, if anybody is, as `DOMAIN=ADDR#PORT`. */
export function readDomainServer(
  text: string,
): { domain: string; server: ServerText | undefined } {
  const [domain, server] = split(text, "=");
  if (server === undefined) {
    throw new ValueError(
      "a domain and its server (such as example.org=192.0.2.1)",
    );
  }
  return {
    domain: readDnsName(domain),
    server: server === "" ? undefined : readServer(server),
  };
}

/** What is before a separator, and what after it, if it is there. */
function split(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** An address to bind to: that of one host, or `0.0.0.0` or `::` for all of this host's. */
export function readBindAddress(text: string): string {
  const octets = parseAddress(text);
  if (octets === undefined) throw new ValueError("an IPv4 or IPv6 address");
  const isIpv4 = octets.length === 4;
  if (isIpv4 ? octets[0] >> 4 === 0xe : octets[0] === 0xff) {
    throw new ValueError("the address of one host: it is a multicast address");
  }
  if (isIpv4 && octets.every((octet) => octet === 255)) {
    throw new ValueError(
      "the address of one host: it is the broadcast address",
    );
  }
  // RFC 4291 section 2.5.5.2: an IPv4 address in the form that IPv6 sockets show it.
  if (/^(0,){10}255,255,/.test(octets.join())) {
    throw new ValueError(
      `an IPv6 address in its own right: write ${
        formatAddress(octets.subarray(12))
      }`,
    );
  }
  return formatAddress(octets);
}

/**
 * A host's domain name (RFC 1123 section 2.1, and `_`), within the limits of RFC 1035 section 2.3.4; in lower case,
 * without the dot at its end. A name beyond ASCII becomes its A-label form (RFC 5890).
 */
export function readDnsName(text: string): string {
  const ascii = /^[\0-\x7f]*$/.test(text) ? text : domainToASCII(text);
  if (ascii === "") throw new ValueError("a domain name");
  const name = ascii.toLowerCase().replace(/\.$/, "");
  if (name === "") throw new ValueError("the name of a host: it is the root");
  if (parseAddress(name) !== undefined) {
    throw new ValueError("a domain name: it is an address, and belongs to ip");
  }
  const labels = name.split(".");
  if (labels.includes("*")) {
    throw new ValueError("the name of one host: wildcards are not summoned");
  }
  if (!/^[a-z0-9._-]*$/.test(name)) {
    throw new ValueError('a domain name (letters, digits, "-", "_" and ".")');
  }
  if (labels.includes("")) {
    throw new ValueError("a domain name: it has an empty label");
  }
  if (labels.some((label) => label.length > MAX_LABEL)) {
    throw new ValueError(
      `a domain name: it has a label of more than ${MAX_LABEL} octets`,
    );
  }
  if (name.length + 2 > MAX_NAME) { // the first length octet and the root's
    throw new ValueError(
      `a domain name: it takes more than ${MAX_NAME} octets`,
    );
  }
  return name;
}
