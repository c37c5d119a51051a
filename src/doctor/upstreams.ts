/**
 * Whether the servers that are asked for other names reply.
 *
 * @module
 */
import type { DaemonOptions } from "../daemon/options.ts";
import { Class, Flag, Rcode, Type } from "../dns/wire/constants.ts";
import { Exchange, ExchangeError } from "../dns/forward/exchange.ts";
import { isBoundTo } from "../net/own_addresses.ts";
import { parseResolvConf } from "../dns/forward/resolv_conf.ts";
import { type SocketAddress, socketName } from "../net/socket_address.ts";
import { Upstream } from "../dns/forward/upstream.ts";
import { UpstreamSockets } from "../dns/forward/channel_udp.ts";
import { bad, doubtful, type Finding, good } from "./finding.ts";

/** Milliseconds that a server has to reply. */
const DEADLINE = 3000;
/** The root's name servers: a question that every resolver has an answer to. */
const QUESTION = {
  octets: Uint8Array.of(0, 0, Type.NS, 0, Class.IN),
  type: Type.NS,
  flags: Flag.RD,
  dnssecOk: false,
};

export async function* examineUpstreams(
  { forwarding: { servers, domains }, bind }: DaemonOptions,
): AsyncGenerator<Finding> {
  if (Array.isArray(servers)) {
    if (servers.length === 0) yield good("other names are not forwarded");
    for (const server of servers) yield await examineServer(server);
  } else {
    yield* examineResolvConf(servers.path, bind);
  }
  for (const [domain, servers] of domains) {
    for (const server of servers) {
      const { verdict, text } = await examineServer(server);
      yield { verdict, text: `${domain}: ${text}` };
    }
  }
}

async function* examineResolvConf(
  path: string,
  bind: DaemonOptions["bind"],
): AsyncGenerator<Finding> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    yield bad(
      `${path} cannot be read (${
        (error as Error).message
      }): make it readable, or name a server with --forwarder`,
    );
    return;
  }
  const { addresses } = parseResolvConf(text);
  if (addresses.length === 0) {
    yield doubtful(
      `${path} has no nameserver: other names get SERVFAIL; name a server with --forwarder`,
    );
  }
  for (const address of addresses) {
    const server = { address, port: 53 };
    if (isBoundTo(bind, server)) {
      yield doubtful(
        `${path} names Jitsu itself (${address}): other names cannot be asked there; name a server with --forwarder`,
      );
    } else yield await examineServer(server);
  }
}

async function examineServer(server: SocketAddress): Promise<Finding> {
  const name = socketName(server);
  const remedy = 'try "dig @' + server.address + '", or another --forwarder';
  const began = performance.now();
  const exchange = new Exchange(
    QUESTION,
    [new Upstream(server)],
    new UpstreamSockets(),
    DEADLINE,
  );
  try {
    const { rcode } = await exchange.reply;
    const ms = Math.round(performance.now() - began);
    return rcode === Rcode.NOERROR
      ? good(`the DNS server ${name} replies (in ${ms} ms)`)
      : doubtful(
        `the DNS server ${name} replies with response code ${rcode} when asked for the root: ${remedy}`,
      );
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error;
    return doubtful(`${error.message}: ${remedy}`);
  } finally {
    exchange.close();
  }
}
