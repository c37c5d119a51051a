/**
 * The table of options: the parser, `--help` and the man page are made from it, and the daemon is told what they mean.
 *
 * @module
 */
import { BACKENDS } from "../backends/registry.ts";
import { PRIVATE_ANSWERS } from "../dns/forward/private_answers.ts";
import { START_PROOFS } from "../dns/serve/guard.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../log.ts";
import { ADOPTIONS, ANSWERS, STOP_MODES } from "../summon/unikernel.ts";
import type { Option, ValuesOf } from "../values/key.ts";
import {
  readBind,
  readDnsName,
  readDomainServer,
  readInterface,
  readListenPort,
  readNetwork,
  readNsid,
  readPort,
  readServer,
  readTtl,
  type ServerText,
} from "../values/network.ts";
import {
  readChoice,
  readCount,
  readLimit,
  readSeconds,
  readStale,
  readText,
  readUuid,
} from "../values/readers.ts";

/** The formats of `--help`. */
export const HELP_FORMATS = ["pager", "plain", "groff"] as const;

/** What turns forwarding off. */
export const NO_FORWARDER = "0.0.0.0";

function readForwarder(text: string): typeof NO_FORWARDER | ServerText {
  return text === NO_FORWARDER ? text : readServer(text);
}

/** In the order of `--help`. */
export const OPTIONS = [
  {
    name: "adopt",
    reloads: true,
    value: "WHAT",
    read: readChoice(ADOPTIONS),
    choices: ADOPTIONS,
    doc:
      "What becomes of a unikernel that nobody asks for and that this Jitsu did not start, but an administrator or another " +
      "Jitsu: `leave` leaves it running, `stop` stops it in its mode like any other. Without this option it is `stop` " +
      "with the mode `suspend`, which loses nothing, and `leave` with `destroy` and `shutdown`. What Jitsu has started " +
      "itself it still knows after a restart by `--persistdb`, or by its mark where the backend has a place for one.",
  },
  {
    name: "allow",
    value: "NETWORK",
    read: readNetwork,
    repeatable: true,
    doc:
      "Answer this network too, such as `192.0.2.0/24` or `2001:db8::/32`; can be given more than once. Without it " +
      "only this host and the networks it is attached to are answered. `0.0.0.0/0` and `::/0` are everybody.",
  },
  {
    name: "answer",
    reloads: true,
    value: "WHEN",
    read: readChoice(ANSWERS),
    choices: ANSWERS,
    absent: "late",
    doc:
      "When a DNS query that starts a unikernel is answered: when the unikernel is ready (`late`), or as soon as it has " +
      "been started (`early`), while it boots. `early` takes `--catch`, or `--synjitsu` and `use_synjitsu`: without " +
      "them the first connection would reach nobody.",
  },
  {
    name: "bind",
    short: "b",
    value: "ADDR[#PORT]",
    read: readBind,
    absent: "127.0.0.1",
    repeatable: true,
    doc:
      "Serve DNS on this IPv4 or IPv6 address, and on this port where it has one; can be given more than once. `0.0.0.0` " +
      "and `::` are all of the host's.",
  },
  {
    name: "cache-size",
    value: "N",
    read: readLimit,
    absent: "10000",
    doc:
      "How many answers of other DNS servers to remember, for as long as their TTLs allow. `0` is none.",
  },
  {
    name: "catch",
    value: "IFACE",
    read: readInterface,
    repeatable: true,
    doc:
      "The bridge, or other network interface, that the unikernels are on; can be given more than once. While a " +
      "unikernel boots, Jitsu answers ARP and IPv6 neighbour solicitations there for its addresses with its MAC " +
      "address, keeps the first packet of each TCP connection to it, and sends it these when it is ready. Takes root, or " +
      "the capabilities CAP_NET_RAW and CAP_NET_ADMIN.",
  },
  {
    name: "config",
    value: "FILE",
    read: readText,
    doc:
      "Read options and unikernels from this file too; see CONFIGURATION FILE. What the command line says wins.",
  },
  {
    name: "connect",
    short: "c",
    value: "CONNECT",
    read: readText,
    absent: "xen:///",
    doc:
      "What the backend connects to. For libvirt a connection URI, such as `qemu:///system`, `xen+ssh://host/system` " +
      "or `vbox:///session`. For xapi a host of the pool, such as `https://root@xs1.example.org/`.",
  },
  {
    name: "control",
    value: "PATH",
    read: readText,
    doc:
      "The Unix socket that `jitsu status` and the other commands talk to the daemon over; only its own user and root " +
      "can. `none` turns it off. Without this option it is the `--persistdb` with `.sock` at its end, or " +
      "/run/jitsu/control.sock for root, or jitsu.sock in $XDG_RUNTIME_DIR.",
  },
  {
    name: "delay",
    reloads: true,
    short: "d",
    value: "SECONDS",
    read: readSeconds,
    absent: "0.1",
    doc:
      "Seconds to wait before a DNS query is answered after the unikernel has started, to give it time to open its TCP " +
      "ports. When this is too short, the first TCP connection to the unikernel can take long. The key " +
      "`wait_for_tcp` waits exactly as long as it takes instead.",
  },
  {
    name: "forward",
    value: "DOMAIN=ADDR[#PORT]",
    read: readDomainServer,
    repeatable: true,
    doc:
      "The DNS server that is asked about this domain and all below it, in place of `--forwarder`; can be given more " +
      "than once, also for one domain. The longest domain that matches counts. `DOMAIN=` without a server keeps the " +
      "domain in the house: nobody is asked, and what no unikernel answers for does not exist.",
  },
  {
    name: "forwarder",
    short: "f",
    value: "ADDR[#PORT]",
    read: readForwarder,
    repeatable: true,
    doc:
      "A DNS server, by its IPv4 or IPv6 address, that is asked for names that belong to no unikernel; can be given " +
      "more than once, and the fastest is preferred. Without this option the nameservers of /etc/resolv.conf are. " +
      "`0.0.0.0` turns forwarding off, but for the domains of `--forward`.",
  },
  {
    name: "front",
    value: "NETWORK",
    read: readNetwork,
    repeatable: true,
    doc:
      "A network of resolvers that ask on behalf of many, such as the DNS server in front of this one: what its clients have " +
      "started does not count against `--start-limit`, as with queries of this host itself. Can be given more than once. " +
      "It does not let them ask: see `--allow`.",
  },
  {
    name: "help",
    short: "h",
    value: "FMT",
    read: readChoice(HELP_FORMATS),
    choices: HELP_FORMATS,
    bare: "pager",
    doc: "Show this help: in a `pager` if on a terminal, as `plain` text, or " +
      "as the `groff` source of the man page.",
  },
  {
    name: "listen",
    short: "l",
    value: "PORT",
    read: readListenPort,
    absent: "53",
    doc:
      "The port to serve DNS on, over UDP and TCP, where `--bind` names none. With `0` the system chooses one, which the " +
      "log tells.",
  },
  {
    name: "log-format",
    value: "FMT",
    read: readChoice(LOG_FORMATS),
    choices: LOG_FORMATS,
    absent: "human",
    doc: "Log in lines for people (`human`) or for programs (`json`).",
  },
  {
    name: "log-level",
    value: "LEVEL",
    read: readChoice(LOG_LEVELS),
    choices: LOG_LEVELS,
    absent: "info",
    doc:
      "Log what is at least this important: `debug`, `info`, `warn` or `error`.",
  },
  {
    name: "max-starts",
    value: "N",
    read: readCount,
    absent: "8",
    doc:
      "How many unikernels may be starting at the same time; the others wait for their turn, which comes when one of these " +
      "is ready, has failed, or was waited for until its `wait_timeout`.",
  },
  {
    name: "mode",
    reloads: true,
    short: "m",
    value: "MODE",
    read: readChoice(STOP_MODES),
    choices: STOP_MODES,
    absent: "destroy",
    doc:
      "How a unikernel is stopped when nobody has asked for it for 2 x TTL seconds: `destroy`, `suspend` or " +
      "`shutdown`. A suspended one is back sooner, and keeps resources to hold its state.",
  },
  {
    name: "nsid",
    value: "TEXT",
    read: readNsid,
    doc:
      "What to call this server to clients that ask for its identifier (NSID, RFC 5001).",
  },
  {
    name: "persistdb",
    value: "PATH",
    read: readText,
    doc:
      "Keep the unikernels' configuration, statistics and history in this file, an SQLite database that is made where " +
      "there is none. Unikernels that it has from before are served too, so that no CONFIG need be given; a CONFIG " +
      "adds to them, or replaces the one of its name. One Jitsu at a time can have the file open.",
  },
  {
    name: "port",
    short: "p",
    value: "PORT",
    read: readPort,
    absent: "53",
    doc:
      "The port of the DNS servers that `--forwarder` and `--forward` name without one.",
  },
  {
    name: "private-answers",
    value: "WHEN",
    read: readChoice(PRIVATE_ANSWERS),
    choices: PRIVATE_ANSWERS,
    absent: "auto",
    doc:
      "Whether other DNS servers may answer with private addresses (those of RFC 1918, this host's, link-local and unique " +
      "local ones), by which a web page can reach into the network of who visits it: always (`allow`), never " +
      "(`refuse`), or (`auto`) when one of the servers that are asked has such an address itself. Servers of `--forward` " +
      "always may. What is refused is answered without records, and with an Extended DNS Error that says so.",
  },
  {
    name: "rate-limit",
    value: "N",
    read: readLimit,
    absent: "1000",
    doc:
      "How many responses a second one client network may have over UDP until it has shown, by a DNS cookie or by " +
      "TCP, that its address is its own; half of what it asks beyond that is told to come back so. One that may not ask " +
      "gets 10 refusals a second. `0` is no limit. This host itself has none.",
  },
  {
    name: "rebind-ok",
    value: "DOMAIN",
    read: readDnsName,
    repeatable: true,
    doc:
      "Names in this domain may lead to private addresses, whatever `--private-answers` says; can be given more than once.",
  },
  {
    name: "serve-stale",
    value: "SECONDS",
    read: readStale,
    bare: "86400",
    doc:
      "When other DNS servers fail or take long, give out what is remembered although its TTL is over, for at most " +
      "this time.",
  },
  {
    name: "start-limit",
    value: "N",
    read: readCount,
    absent: "64",
    doc:
      "How many unikernels one client network may have started at once. After that it is one more every second, and " +
      "SERVFAIL in between, with the reason. What fails at once, since it has just failed, is not counted. This host itself " +
      "has no limit: a resolver on it asks for everybody.",
  },
  {
    name: "start-proof",
    value: "WHEN",
    read: readChoice(START_PROOFS),
    choices: START_PROOFS,
    absent: "auto",
    doc:
      "When a client over UDP must show, by a DNS cookie or by TCP, that its address is its own before a unikernel is " +
      "started for it: `always`, `never`, or (`auto`) when it is in no network that this host is attached to, or " +
      "unikernels are started faster than 8 at once and one a second, or half of `--max-starts` are starting for such clients. Resolvers do so by themselves.",
  },
  {
    name: "stop-on-exit",
    doc:
      "Stop the unikernels, each in its mode, when Jitsu exits. Without this option they stay as they are.",
  },
  {
    name: "synjitsu",
    value: "UUID",
    read: readUuid,
    doc:
      "The UUID of a running Synjitsu unikernel. Jitsu connects to it over a vchan, port `synjitsu`, and tells it the MAC " +
      "and IPv4 address of each unikernel with `use_synjitsu` as it boots, so that Synjitsu can answer ARP for it and " +
      "keep its first SYNs until it can do so itself. Only for guests of the Xen host that Jitsu runs on, in dom0.",
  },
  {
    name: "ttl",
    reloads: true,
    short: "t",
    value: "SECONDS",
    read: readTtl,
    absent: "60",
    doc:
      "The TTL of DNS answers: seconds that clients may cache them. A unikernel is stopped when no DNS request for it " +
      "has come for twice as long.",
  },
  { name: "version", doc: "Show the version." },
  {
    name: "backend",
    short: "x",
    value: "BACKEND",
    read: readText,
    absent: "libvirt",
    choices: BACKENDS.map((each) => each.name),
    doc: `What runs the unikernels: ${
      BACKENDS.map((each) => `\`${each.name}\``).join(" or ")
    }. Each has keys and options of its own, which have a section below.`,
  },
] as const satisfies readonly Option[];

/** The options that only one backend has. */
export const BACKEND_OPTIONS: readonly Option[] = BACKENDS.flatMap((
  { options = [] },
) => options.map((each) => each.value ? { ...each, read: readText } : each));

/** What the options mean, by their long names: `undefined` for one that was not given and has no default. */
export type OptionValues = ValuesOf<typeof OPTIONS>;
