/**
 * Ethernet frames, as far as somebody who answers for a booting machine reads them: ARP (RFC 826), neighbour discovery
 * (RFC 4861) and the SYN of a TCP connection (RFC 9293). Everything else, and whatever is malformed, is no frame here.
 *
 * @module
 */
import { onesSum, pseudoHeaderSum } from "./checksum.ts";

/** A MAC address: 6 octets. An IP address: 4 or 16 octets. All of a frame that was read are views of its octets. */
export type Octets = Uint8Array;

/** Somebody asks for the MAC address of `target`. */
export interface Question {
  kind: "question";
  target: Octets;
  /** Who asks. The address is all zero where whoever asks is about to take `target` for itself (RFC 5227, RFC 4862). */
  address: Octets;
  mac: Octets;
}

/** Somebody says that `address` is at `mac`; whoever asks by ARP says so of itself too. */
export interface Claim {
  kind: "claim";
  address: Octets;
  mac: Octets;
}

/** The first segment of a connection. */
export interface Syn {
  kind: "syn";
  /** Where the frame went. */
  mac: Octets;
  destination: Octets;
  /** Tells the connection by its addresses and ports. */
  connection: string;
}

export type Message = Question | Claim | Syn;

export const ETHERNET = { size: 14, destination: 0, source: 6, type: 12 };
export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd };
export const ARP = {
  size: 28,
  operation: 6,
  senderMac: 8,
  sender: 14,
  targetMac: 18,
  target: 24,
  request: 1,
  reply: 2,
  /** Ethernet and IPv4, with addresses of 6 and 4 octets. */
  prefix: [0, 1, 0x08, 0x00, 6, 4],
};
const IPV4 = {
  fragment: 6,
  hopLimit: 8,
  protocol: 9,
  source: 12,
  destination: 16,
  min: 20,
};
export const IPV6 = {
  size: 40,
  payloadLength: 4,
  nextHeader: 6,
  hopLimit: 7,
  source: 8,
  destination: 24,
};
export const PROTOCOL = { tcp: 6, icmpv6: 58 };
/** What neighbour solicitations and advertisements share: a type, the target, and options. */
export const NEIGHBOUR = {
  solicitation: 135,
  advertisement: 136,
  checksum: 2,
  flags: 4,
  target: 8,
  options: 24,
  /** An option with the sender's MAC address, and one with the target's; lengths are in units of 8 octets. */
  sourceMac: 1,
  targetMac: 2,
  /** RFC 4861 section 7.1: what is not, has passed a router. */
  hopLimit: 255,
};
const TCP = { min: 20, flags: 13, checksum: 16 };
const FIN = 0x01, SYN = 0x02, RST = 0x04, ACK = 0x10;

/** What a frame says, which is nothing where it is none of the above; an ARP request claims and asks. */
export function readFrame(frame: Octets): Message[] {
  const packet = frame.subarray(ETHERNET.size);
  switch (frame[ETHERNET.type] << 8 | frame[ETHERNET.type + 1]) {
    case ETHERTYPE.arp:
      return readArp(packet);
    case ETHERTYPE.ipv4:
    case ETHERTYPE.ipv6: {
      const ip = readIp(packet);
      if (ip?.protocol === PROTOCOL.tcp) return readSyn(frame, ip);
      return ip?.protocol === PROTOCOL.icmpv6 ? readNeighbour(frame, ip) : [];
    }
    default:
      return [];
  }
}

function readArp(packet: Octets): Message[] {
  const isOurs = packet.length >= ARP.size &&
    ARP.prefix.every((octet, i) => packet[i] === octet);
  if (!isOurs) return [];
  const mac = packet.subarray(ARP.senderMac, ARP.sender);
  const address = packet.subarray(ARP.sender, ARP.targetMac);
  const target = packet.subarray(ARP.target, ARP.size);
  switch (packet[ARP.operation] << 8 | packet[ARP.operation + 1]) {
    case ARP.reply:
      return [{ kind: "claim", address, mac }];
    case ARP.request:
      return asks({ kind: "question", target, address, mac });
    default:
      return [];
  }
}

/** Whoever asks says where it is itself; one that asks for its own address only says so (RFC 5227 section 3). */
function asks(question: Question): Message[] {
  const { address, mac, target } = question;
  if (isZero(address)) return [question];
  const claim: Claim = { kind: "claim", address, mac };
  return isSame(address, target) ? [claim] : [claim, question];
}

/** An IP packet that is whole, without extension headers. */
interface Ip {
  hopLimit: number;
  protocol: number;
  source: Octets;
  destination: Octets;
  payload: Octets;
  /** The sum of the pseudo-header. */
  pseudoHeader: number;
}

function readIp(packet: Octets): Ip | undefined {
  switch (packet[0] >> 4) {
    case 4: {
      const header = (packet[0] & 0xf) * 4;
      const end = packet[2] << 8 | packet[3];
      if (
        header < IPV4.min || end < header || end > packet.length ||
        onesSum(packet.subarray(0, header)) !== 0xffff
      ) return undefined;
      const fragment = packet[IPV4.fragment] << 8 | packet[IPV4.fragment + 1];
      if ((fragment & 0x3fff) !== 0) return undefined; // more fragments, or an offset
      return ip(
        packet[IPV4.hopLimit],
        packet[IPV4.protocol],
        packet.subarray(IPV4.source, IPV4.destination),
        packet.subarray(IPV4.destination, IPV4.min),
        packet.subarray(header, end),
      );
    }
    case 6: {
      const end = IPV6.size +
        (packet[IPV6.payloadLength] << 8 | packet[IPV6.payloadLength + 1]);
      if (end > packet.length) return undefined;
      return ip(
        packet[IPV6.hopLimit],
        packet[IPV6.nextHeader],
        packet.subarray(IPV6.source, IPV6.destination),
        packet.subarray(IPV6.destination, IPV6.size),
        packet.subarray(IPV6.size, end),
      );
    }
  }
}

function ip(
  hopLimit: number,
  protocol: number,
  source: Octets,
  destination: Octets,
  payload: Octets,
): Ip {
  const { length } = payload;
  const pseudoHeader = pseudoHeaderSum(source, destination, length, protocol);
  return { hopLimit, protocol, source, destination, payload, pseudoHeader };
}

function readNeighbour(
  frame: Octets,
  { hopLimit, source, pseudoHeader, payload }: Ip,
): Message[] {
  const [type, code] = payload;
  if (
    source.length !== 16 || hopLimit !== NEIGHBOUR.hopLimit || code !== 0 ||
    payload.length < NEIGHBOUR.options ||
    onesSum(payload, pseudoHeader) !== 0xffff
  ) return [];
  const target = payload.subarray(NEIGHBOUR.target, NEIGHBOUR.options);
  const sender = frame.subarray(ETHERNET.source, ETHERNET.type);
  if (target[0] === 0xff) return []; // multicast has no neighbour
  if (type === NEIGHBOUR.advertisement) {
    const mac = macOption(payload, NEIGHBOUR.targetMac) ?? sender;
    return [{ kind: "claim", address: target, mac }];
  }
  if (type !== NEIGHBOUR.solicitation) return [];
  const mac = macOption(payload, NEIGHBOUR.sourceMac) ?? sender;
  return asks({ kind: "question", target, address: source, mac });
}

function macOption(payload: Octets, type: number): Octets | undefined {
  for (let at = NEIGHBOUR.options; at + 8 <= payload.length;) {
    if (payload[at] === type) return payload.subarray(at + 2, at + 8);
    if (payload[at + 1] === 0) return undefined;
    at += payload[at + 1] * 8;
  }
}

function readSyn(frame: Octets, { source, destination, payload }: Ip): Syn[] {
  if (payload.length < TCP.min) return [];
  const flags = payload[TCP.flags];
  if ((flags & (FIN | SYN | RST | ACK)) !== SYN) return [];
  return [{
    kind: "syn",
    mac: frame.subarray(0, ETHERNET.source),
    destination,
    connection: source.toHex() + destination.toHex() +
      payload.subarray(0, 4).toHex(),
  }];
}

/**
 * A copy of a frame with a SYN that can go on the wire, from another MAC address; undefined where its TCP checksum is
 * wrong. A packet that has not left its host yet has the pseudo-header's sum there, for a network card to go on from
 * (Linux, Documentation/networking/checksum-offloads.rst): that is completed.
 */
export function forwardable(
  frame: Octets,
  from: Octets,
): Uint8Array<ArrayBuffer> | undefined {
  const copy = frame.slice();
  copy.set(from, ETHERNET.source);
  const ip = readIp(copy.subarray(ETHERNET.size));
  if (ip === undefined) return undefined;
  const { payload, pseudoHeader } = ip;
  if (onesSum(payload, pseudoHeader) === 0xffff) return copy;
  const found = payload[TCP.checksum] << 8 | payload[TCP.checksum + 1];
  if (found !== pseudoHeader) return undefined;
  const checksum = ~onesSum(payload) & 0xffff; // the sum that is in there is the pseudo-header's
  payload[TCP.checksum] = checksum >> 8;
  payload[TCP.checksum + 1] = checksum & 0xff;
  return copy;
}

export function isZero(octets: Octets): boolean {
  return octets.every((octet) => octet === 0);
}

export function isSame(a: Octets, b: Octets): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}
