/**
 * What the whole command line asks for, checked. Nothing is touched here: no backend is loaded, no port bound.
 *
 * @module
 */
import type { BackendDescription } from "../backends/backend.ts";
import { BACKENDS } from "../backends/registry.ts";
import type { DaemonOptions, Forwarding } from "../daemon.ts";
import type { Unreadable } from "../daemon/stored.ts";
import { type Server, serverName } from "../dns/upstream.ts";
import type { setupLog } from "../log.ts";
import type { Unikernel } from "../summon/unikernel.ts";
import { readArguments } from "./args.ts";
import { isCutOff, type Pair, parseConfig } from "./config.ts";
import {
  type HELP_FORMATS,
  NO_FORWARDER,
  type OptionValues,
} from "./options.ts";
import { didYouMean, printable, quoted } from "./text.ts";
import { type Defaults, readUnikernel } from "./unikernel.ts";
import { isWildcard } from "./values.ts";

/** What the user wants. */
export type Request =
  | { kind: "help"; format: typeof HELP_FORMATS[number] }
  | { kind: "version" }
  | {
    kind: "serve";
    options: DaemonOptions;
    log: Parameters<typeof setupLog>[0];
  }
  /** It cannot be told: what is wrong, all of it, a line each. */
  | { kind: "refuse"; problems: string[] };

/** Reads the command line. Help and the version are given whatever else is wrong. */
export function readCommandLine(argv: readonly string[]): Request {
  const { values, settings, configs, problems } = readArguments(argv);
  if (values.help) return { kind: "help", format: values.help };
  if (values.version) return { kind: "version" };

  const backend = backendOf(values.backend, problems);
  if (backend) checkSettings(backend, values.connect, settings, problems);
  const forwarding = forwardingOf(values, problems);
  const unikernels = unikernelsOf(
    joinCutOff(configs, problems),
    { ...values, backend },
    problems,
  );
  if (backend === undefined || problems.length > 0) {
    return { kind: "refuse", problems };
  }
  return {
    kind: "serve",
    options: {
      bind: values.bind,
      port: values.listen,
      forwarding,
      backend,
      connect: values.connect,
      settings,
      unikernels,
      readSpec: (spec) => readSpec(spec, { ...values, backend }),
      persistdb: values.persistdb,
      limits: {
        allow: values.allow,
        responsesPerSecond: values["rate-limit"],
        startBurst: values["start-limit"],
        startsPerSecond: 1,
        maxStarts: values["max-starts"],
        nsid: values.nsid,
      },
      stopOnExit: values["stop-on-exit"],
    },
    log: { format: values["log-format"], level: values["log-level"] },
  };
}

function backendOf(
  name: string,
  problems: string[],
): BackendDescription | undefined {
  const backend = BACKENDS.find((each) => each.name === name);
  if (backend === undefined) {
    const names = BACKENDS.map((each) => each.name);
    problems.push(
      `option --backend ${quoted(name)} is not one of ${names.join(", ")}${
        didYouMean(name, names)
      }`,
    );
  }
  return backend;
}

function checkSettings(
  backend: BackendDescription,
  connect: string,
  settings: ReadonlyMap<string, string>,
  problems: string[],
): void {
  const expected = backend.expectedConnect?.(connect);
  if (expected !== undefined) {
    // A host may come without the slashes that credentials are found by.
    const shown = connect.includes("//") ? connect : connect.replace(/.*@/, "");
    problems.push(`option --connect ${quoted(shown)}: expected ${expected}`);
  }
  for (const name of settings.keys()) {
    const has = ({ options = [] }: BackendDescription) =>
      options.some((each) => each.name === name);
    if (has(backend)) continue;
    problems.push(
      `option --${name} belongs to the backend ${
        BACKENDS.find(has)!.name
      }, not to ${backend.name}`,
    );
  }
}

function forwardingOf(values: OptionValues, problems: string[]): Forwarding {
  const { forward, forwarder, port } = values;
  const servers = forwarder.flatMap((each) =>
    each === NO_FORWARDER ? [] : [{
      address: each.address,
      port: each.port ?? port,
    }]
  );
  if (0 < servers.length && servers.length < forwarder.length) {
    problems.push(
      `option --forwarder ${NO_FORWARDER} turns forwarding off, and ${
        serverName(servers[0])
      } is to be forwarded to: give one or the other`,
    );
  }
  for (const server of servers) {
    checkServer(`option --forwarder`, server, values, problems);
  }

  const domains = new Map<string, Server[]>();
  for (const { domain, server } of forward) {
    const known = domains.get(domain);
    if (known !== undefined && (server === undefined || known.length === 0)) {
      problems.push(
        `option --forward ${domain}= keeps ${domain} in the house, and is not the only one for it: give one or the other`,
      );
    }
    const added = server === undefined
      ? []
      : [{ address: server.address, port: server.port ?? port }];
    for (const each of added) {
      checkServer(`option --forward ${domain}=`, each, values, problems);
    }
    domains.set(domain, [...known ?? [], ...added]);
  }
  return {
    servers: forwarder.length > 0 ? servers : { path: "/etc/resolv.conf" },
    domains,
    cacheSize: values["cache-size"],
    serveStale: values["serve-stale"] ?? 0,
  };
}

function checkServer(
  option: string,
  server: Server,
  { bind, listen }: OptionValues,
  problems: string[],
): void {
  const { address, port } = server;
  const isOwn = address === bind || isWildcard(bind) &&
      (address.startsWith("127.") || bind === "::" && address === "::1");
  if (isOwn && port === listen) {
    problems.push(
      `${option} ${address} with port ${port} is where Jitsu itself listens: queries would never leave it`,
    );
  }
}

/** Puts a CONFIG together again that white space after a comma has cut in two, so that what else is wrong is found. */
function joinCutOff(words: readonly string[], problems: string[]): string[] {
  const configs: string[] = [];
  words.forEach((word, i) => {
    if (i === 0 || !isCutOff(words[i - 1])) {
      configs.push(word);
      return;
    }
    problems.push(
      `CONFIG ${configs.length} ends in a comma before ${
        quoted(word)
      }: no white space may come after a comma`,
    );
    configs[configs.length - 1] += word;
  });
  return configs;
}

/** The unikernel of one CONFIG. */
function readSpec(spec: string, defaults: Defaults): Unikernel | Unreadable {
  const { pairs, problems } = parseConfig(spec);
  const unikernel = readUnikernel(pairs, defaults, problems);
  return problems.length > 0 ? { problems } : unikernel;
}

function unikernelsOf(
  configs: readonly string[],
  defaults: Defaults,
  problems: string[],
): Unikernel[] {
  /** The number of the CONFIG that has a name or UUID, by that. */
  const owners = new Map<string, number>();
  return configs.flatMap((text, i) => {
    const { pairs, problems: found } = parseConfig(text);
    const unikernels = pairs.length === 0
      ? []
      : [readUnikernel(pairs, defaults, found)];
    for (const { name, machine: { uuid } } of unikernels) {
      for (const id of new Set([name, uuid])) {
        if (!id) continue;
        const owner = owners.get(id);
        if (owner === undefined) owners.set(id, i + 1);
        else {
          found.push(
            `${id === uuid ? "uuid" : "name"} ${
              quoted(id)
            } is that of CONFIG ${owner} too`,
          );
        }
      }
    }
    problems.push(
      ...found.map((problem) => `CONFIG ${i + 1}${labelOf(pairs)}: ${problem}`),
    );
    return unikernels;
  });
}

/** What somebody tells a CONFIG by: its names and addresses. Other values may be long, or secret. */
function labelOf(pairs: readonly Pair[]): string {
  const label = pairs
    .filter(({ key }) => ["dns", "ip", "name", "uuid"].includes(key))
    .map(({ key, value }) => `${key}=${value}`);
  return label.length === 0 ? "" : ` (${printable(label.join())})`;
}
