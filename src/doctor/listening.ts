/**
 * Whether the port can be had, and who will be able to ask.
 *
 * @module
 */
import { remedyFor } from "../daemon/dns.ts";
import type { DaemonOptions } from "../daemon/options.ts";
import { parseAddress } from "../net/address.ts";
import { formatNetwork, isInNetwork } from "../net/network.ts";
import { LOOPBACK } from "../net/own_addresses.ts";
import { type SocketAddress, socketName } from "../net/socket_address.ts";
import { bad, doubtful, type Finding, good } from "./finding.ts";
import { holdersOf } from "./port_holders.ts";

/** Programs that are often found on port 53, and how they make room; README has more. */
const MAKE_ROOM: Record<string, string> = {
  "systemd-resolve":
    "set DNSStubListener=no in /etc/systemd/resolved.conf and restart systemd-resolved, or --bind another address",
  dnsmasq:
    "give dnsmasq bind-interfaces and the addresses that are its own, or --bind another address",
  named:
    "take the address out of listen-on in named.conf, or --bind another address",
  unbound:
    "take the address out of interface: in unbound.conf, or --bind another address",
};

export async function* examineListening(
  { bind, allow }: DaemonOptions,
): AsyncGenerator<Finding> {
  for (const each of bind) yield* examineSockets(each);
  const allowed = allow.map(formatNetwork).join(", ");
  const addresses = bind.map(({ address }) => address);
  if (addresses.every(isLoopback)) {
    yield doubtful(
      `only programs on this host can ask ${
        addresses.join(" and ")
      }: for others --bind an address of the network, or 0.0.0.0`,
    );
  } else {
    yield good(
      `answers the networks that this host is attached to${
        allowed && ` and ${allowed}`
      }; --allow lets others in`,
    );
  }
}

function isLoopback(address: string): boolean {
  const octets = parseAddress(address)!;
  return LOOPBACK.some((each) => isInNetwork(octets, each));
}

/** Whether DNS can be served there. */
async function* examineSockets(
  { address, port }: SocketAddress,
): AsyncGenerator<Finding> {
  let isFree = true;
  const name = socketName({ address, port });
  for (const protocol of ["UDP", "TCP"] as const) {
    const at = `${name} over ${protocol}`;
    try {
      open(protocol, address, port).close();
    } catch (error) {
      isFree = false;
      const holders = error instanceof Deno.errors.AddrInUse
        ? await holdersOf(protocol, port)
        : [];
      if (holders.some(({ isJitsu }) => isJitsu)) {
        yield good(`${at} is served by a Jitsu that runs already`);
      } else if (holders.length > 0) {
        const [{ program, pid }] = holders;
        const remedy = MAKE_ROOM[program] ??
          "stop it, or choose another port with --listen";
        yield bad(`${at} is taken by ${program} (process ${pid}): ${remedy}`);
      } else yield bad(`${at} cannot be had: ${remedyFor(error, protocol)}`);
    }
  }
  if (isFree) yield good(`${name} is free over UDP and TCP`);
}

function open(protocol: "UDP" | "TCP", hostname: string, port: number) {
  return protocol === "UDP"
    ? Deno.listenDatagram({ transport: "udp", hostname, port })
    : Deno.listen({ hostname, port });
}
