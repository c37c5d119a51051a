/**
 * Whether the addresses that are the answers can be reached from here.
 *
 * @module
 */
import type { DaemonOptions } from "../daemon/options.ts";
import { canonicalAddress, parseAddress } from "../net/address.ts";
import { linksOf } from "../net/network.ts";
import { doubtful, type Finding, good } from "./finding.ts";

export function* examineAddresses(
  { backend, unikernels }: DaemonOptions,
): Generator<Finding> {
  const owners = new Map<string, string>();
  const interfaces = Deno.networkInterfaces();
  for (const { name, addresses, machine } of unikernels) {
    const bridges = backend.bridges?.(machine.keys) ?? [];
    for (const address of addresses) {
      const owner = owners.get(address);
      owners.set(address, name);
      if (owner !== undefined) {
        yield doubtful(
          `${name}: its address ${address} is that of ${owner} too: give each its own, unless one follows the other`,
        );
      } else yield examineAddress(name, address, bridges, interfaces);
    }
  }
}

function examineAddress(
  name: string,
  address: string,
  bridges: readonly string[],
  interfaces: Deno.NetworkInterfaceInfo[],
): Finding {
  const octets = parseAddress(address)!;
  const own = interfaces.find((each) =>
    canonicalAddress(each.address) === address
  );
  if (own !== undefined) {
    return good(`${name}: ${address} is this host's own (${own.name})`);
  }
  const [via] = linksOf(octets);
  if (via === undefined) {
    return doubtful(
      `${name}: ${address} is in no network that this host is attached to: whoever asks, and wait_for_tcp, needs a route to it (ip route get ${address})`,
    );
  }
  if (bridges.length > 0 && !bridges.includes(via)) {
    return doubtful(
      `${name}: ${address} is in the network of ${via}, where none of its network interfaces is (${
        bridges.map((bridge) => `nic=${bridge}`).join(", ")
      }): nobody will reach it there`,
    );
  }
  return good(`${name}: ${address} is in the network of ${via}`);
}
