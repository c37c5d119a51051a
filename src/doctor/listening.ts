/**
 * Whether the port can be had, and who will be able to ask.
 *
 * @module
 */
import { remedyFor } from "../daemon/dns.ts";
import type { DaemonOptions } from "../daemon/options.ts";
import { formatNetwork } from "../net/network.ts";
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
  { bind, listen: port, allow }: DaemonOptions,
): AsyncGenerator<Finding> {
  let isFree = true;
  for (const protocol of ["UDP", "TCP"] as const) {
    const at = `${bind}#${port} over ${protocol}`;
    try {
      open(protocol, bind, port).close();
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
  if (isFree) yield good(`${bind}#${port} is free over UDP and TCP`);
  const allowed = allow.map(formatNetwork).join(", ");
  const isLocal = bind.startsWith("127.") || bind === "::1";
  if (isLocal) {
    yield doubtful(
      `only programs on this host can ask ${bind}: for others --bind an address of the network, or 0.0.0.0`,
    );
  } else {
    yield good(
      `answers the networks that this host is attached to${
        allowed && ` and ${allowed}`
      }; --allow lets others in`,
    );
  }
}

function open(protocol: "UDP" | "TCP", hostname: string, port: number) {
  return protocol === "UDP"
    ? Deno.listenDatagram({ transport: "udp", hostname, port })
    : Deno.listen({ hostname, port });
}
