/**
 * The frames that are sent for a booting machine: answers to who asks for its MAC address, and the question whether its
 * address is somebody else's (RFC 826, RFC 4861).
 *
 * The Ethernet source is always the interface's own MAC address, so that no switch learns the machine's, or a client's,
 * where it is not; who is asked about is inside.
 *
 * @module
 */
import { onesSum, pseudoHeaderSum } from "../wire/checksum.ts";
import {
  ARP,
  ETHERNET,
  ETHERTYPE,
  IPV6,
  isZero,
  NEIGHBOUR,
  type Octets,
  PROTOCOL,
  type Question,
} from "../wire/frames.ts";

type Frame = Uint8Array<ArrayBuffer>;

const BROADCAST = new Uint8Array(6).fill(0xff);
const ALL_NODES = Uint8Array.of(0xff, 2, ...new Array(13).fill(0), 1);
/** "override" and "solicited" of a neighbour advertisement (RFC 4861 section 4.4). */
const OVERRIDE = 0x20, SOLICITED = 0x40;

/** The answer to a question: its target is at `mac`. `own` is the MAC address of the interface that it goes out of. */
export function answerTo(
  { target, address, mac: asker }: Question,
  mac: Octets,
  own: Octets,
): Frame {
  if (target.length === 4) {
    return arp(ARP.reply, asker, own, mac, target, asker, address);
  }
  // RFC 4861 section 7.2.4: whoever has no address yet cannot be answered there.
  const isProbe = isZero(address);
  return neighbour({
    type: NEIGHBOUR.advertisement,
    flags: isProbe ? OVERRIDE : OVERRIDE | SOLICITED,
    to: isProbe ? multicastMac(ALL_NODES) : asker,
    own,
    source: target,
    destination: isProbe ? ALL_NODES : address,
    target,
    option: NEIGHBOUR.targetMac,
    mac,
  });
}

/**
 * Asks everybody who has `target`. `address` is the asking interface's own of the same family; for ARP it may be all
 * zero, which nobody remembers (RFC 5227 section 2.1.1).
 */
export function questionFor(
  target: Octets,
  address: Octets,
  own: Octets,
): Frame {
  if (target.length === 4) {
    const nobody = new Uint8Array(6);
    return arp(ARP.request, BROADCAST, own, own, address, nobody, target);
  }
  // The solicited-node multicast address, RFC 4291 section 2.7.1.
  const group = ALL_NODES.slice();
  group.set([1, 0xff], 11);
  group.set(target.subarray(13), 13);
  return neighbour({
    type: NEIGHBOUR.solicitation,
    flags: 0,
    to: multicastMac(group),
    own,
    source: address,
    destination: group,
    target,
    option: NEIGHBOUR.sourceMac,
    mac: own,
  });
}

function ethernet(to: Octets, own: Octets, type: number, size: number): Frame {
  const frame = new Uint8Array(ETHERNET.size + size);
  frame.set(to, ETHERNET.destination);
  frame.set(own, ETHERNET.source);
  frame.set([type >> 8, type & 0xff], ETHERNET.type);
  return frame;
}

function arp(
  operation: number,
  to: Octets,
  own: Octets,
  senderMac: Octets,
  sender: Octets,
  targetMac: Octets,
  target: Octets,
): Frame {
  const frame = ethernet(to, own, ETHERTYPE.arp, ARP.size);
  const packet = frame.subarray(ETHERNET.size);
  packet.set(ARP.prefix);
  packet[ARP.operation + 1] = operation;
  packet.set(senderMac, ARP.senderMac);
  packet.set(sender, ARP.sender);
  packet.set(targetMac, ARP.targetMac);
  packet.set(target, ARP.target);
  return frame;
}

function neighbour(
  { type, flags, to, own, source, destination, target, option, mac }: {
    type: number;
    flags: number;
    to: Octets;
    own: Octets;
    source: Octets;
    destination: Octets;
    target: Octets;
    /** The option that `mac` is in. */
    option: number;
    mac: Octets;
  },
): Frame {
  const length = NEIGHBOUR.options + 8;
  const frame = ethernet(to, own, ETHERTYPE.ipv6, IPV6.size + length);
  const packet = frame.subarray(ETHERNET.size);
  packet[0] = 6 << 4;
  packet[IPV6.payloadLength + 1] = length;
  packet[IPV6.nextHeader] = PROTOCOL.icmpv6;
  packet[IPV6.hopLimit] = NEIGHBOUR.hopLimit;
  packet.set(source, IPV6.source);
  packet.set(destination, IPV6.destination);
  const payload = packet.subarray(IPV6.size);
  payload[0] = type;
  payload[NEIGHBOUR.flags] = flags;
  payload.set(target, NEIGHBOUR.target);
  payload.set([option, 1, ...mac], NEIGHBOUR.options);
  const pseudo = pseudoHeaderSum(source, destination, length, PROTOCOL.icmpv6);
  const checksum = ~onesSum(payload, pseudo) & 0xffff;
  payload.set([checksum >> 8, checksum & 0xff], NEIGHBOUR.checksum);
  return frame;
}

/** Where an IPv6 multicast goes on Ethernet, RFC 2464 section 7. */
function multicastMac(group: Octets): Octets {
  return Uint8Array.of(0x33, 0x33, ...group.subarray(12));
}
