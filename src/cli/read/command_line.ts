/**
 * What the whole command line asks for, checked. Nothing is touched here: no backend is loaded, no port bound.
 *
 * @module
 */
import {
  type BackendDescription,
  noEthernet,
  notXen,
} from "../../backends/backend.ts";
import { BACKENDS } from "../../backends/registry.ts";
import { defaultControlPath, NO_CONTROL } from "../../control/protocol.ts";
import type { DaemonOptions, Forwarding } from "../../daemon/options.ts";
import { type SocketAddress, socketName } from "../../net/socket_address.ts";
import type { Reloaded, Unreadable } from "../../fleet/configuration.ts";
import { isBoundTo } from "../../net/own_addresses.ts";
import type { setupLog } from "../../log.ts";
import { readArguments, type Where } from "./args.ts";
import {
  type Command,
  commandOf,
  type CommandRequest,
  readCommand,
} from "./commands.ts";
import {
  type HELP_FORMATS,
  NO_FORWARDER,
  OPTIONS,
  type OptionValues,
} from "../../daemon/option_table.ts";
import type { Option } from "../../values/key.ts";
import { didYouMean, quoted } from "../../values/text.ts";
import { readSpec, readUnikernels } from "./unikernels.ts";

/** What the user wants. */
export type Request =
  | { kind: "help"; format: typeof HELP_FORMATS[number] }
  | { kind: "version" }
  | {
    kind: "serve";
    options: DaemonOptions;
    log: Parameters<typeof setupLog>[0];
  }
  | { kind: "examine"; options: DaemonOptions }
  | { kind: "command"; command: CommandRequest }
  /** It cannot be told: what is wrong, all of it, a line each. */
  | { kind: "refuse"; problems: string[] };

/** Reads the command line. Help and the version are given whatever else is wrong. */
export function readCommandLine(argv: readonly string[]): Request {
  const command = commandOf(argv);
  if (command?.name === "doctor") return readExamine(argv.slice(1));
  return command === undefined
    ? readServe(argv)
    : readCommandWords(command, argv.slice(1));
}

function readCommandWords(
  command: Command,
  words: readonly string[],
): Request {
  const problems: string[] = [];
  const request = readCommand(command, words, problems);
  const help = request.values.help as typeof HELP_FORMATS[number] | undefined;
  if (help) return { kind: "help", format: help };
  return problems.length > 0
    ? { kind: "refuse", problems }
    : { kind: "command", command: request };
}

/** The command line of a daemon that is to be examined. */
function readExamine(argv: readonly string[]): Request {
  const { request } = readSaid(argv, { needsConfig: false });
  return request.kind === "serve"
    ? { kind: "examine", options: request.options }
    : request;
}

/** The command line of a daemon. */
function readServe(argv: readonly string[]): Request {
  return readSaid(argv).request;
}

/** A request, and what each option is, as text, to tell which have changed. */
interface Said {
  request: Request;
  options: ReadonlyMap<string, string>;
}

function readSaid(
  argv: readonly string[],
  needs: Parameters<typeof readArguments>[1] = {},
): Said {
  const { values, settings, configs, problems, ...args } = readArguments(
    argv,
    needs,
  );
  const said: Said["options"] = new Map(
    [...Object.entries(values), ...settings].map((
      [name, value],
    ) => [name, JSON.stringify(value) ?? ""]),
  );
  const saying = (request: Request): Said => ({ request, options: said });
  if (values.help) return saying({ kind: "help", format: values.help });
  if (values.version) return saying({ kind: "version" });

  const backend = backendOf(values.backend, args.where, problems);
  if (backend) {
    checkSettings(backend, values.connect, settings, args.where, problems);
    checkSynjitsu(backend, values, args.where, problems);
    const why = noEthernet(backend);
    if (values.catch.length > 0 && why !== undefined) {
      problems.push(
        `${args.where("catch")} is of no use with ${backend.name}: ${why}`,
      );
    }
  }
  const forwarding = forwardingOf(values, args.where, problems);
  const holders = {
    catch: values.catch.length > 0,
    synjitsu: values.synjitsu !== undefined,
  };
  const noneHolds = !holders.catch && !holders.synjitsu;
  if (values.answer === "early" && noneHolds) {
    problems.push(
      `${
        args.where("answer")
      } early needs --catch or --synjitsu: otherwise nobody holds the first connection to a unikernel while it boots`,
    );
  }
  const defaults = { ...values, backend, holders };
  const unikernels = readUnikernels(
    args.unikernels,
    configs,
    defaults,
    problems,
  );
  if (backend === undefined || problems.length > 0) {
    return saying({ kind: "refuse", problems });
  }
  return saying({
    kind: "serve",
    options: {
      ...values,
      bind: bindOf(values),
      forwarding,
      backend,
      settings,
      unikernels,
      readSpec: (spec) => readSpec(spec, defaults),
      reload: () =>
        values.config === undefined
          ? {
            problems: [
              "there is nothing to read again: Jitsu was started without --config",
            ],
          }
          : reload(argv, said),
      control: controlOf(values),
    },
    log: { format: values["log-format"], level: values["log-level"] },
  });
}

/** What the same command line says now that its configuration file may be another. */
function reload(
  argv: readonly string[],
  before: Said["options"],
): Reloaded | Unreadable {
  const { request, options } = readSaid(argv);
  if (request.kind === "refuse") return { problems: request.problems };
  if (request.kind !== "serve") throw new Error(`${request.kind} is no reload`);
  if (options.get("backend") !== before.get("backend")) {
    return {
      problems: [
        `the backend is ${
          options.get("backend")
        } now: stop Jitsu and start it again`,
      ],
    };
  }
  const { unikernels, readSpec } = request.options;
  const table: readonly Option[] = OPTIONS;
  const needRestart = [...new Set([...before.keys(), ...options.keys()])]
    .filter((name) =>
      options.get(name) !== before.get(name) &&
      !table.find((option) => option.name === name)?.reloads
    );
  return { unikernels, readSpec, needRestart };
}

function controlOf(
  { control, persistdb }: OptionValues,
): DaemonOptions["control"] {
  if (control === NO_CONTROL) return undefined;
  const path = control ?? defaultControlPath(persistdb);
  return path === undefined
    ? undefined
    : { path, isChosen: control !== undefined };
}

function backendOf(
  name: string,
  where: Where,
  problems: string[],
): BackendDescription | undefined {
  const backend = BACKENDS.find((each) => each.name === name);
  if (backend === undefined) {
    const names = BACKENDS.map((each) => each.name);
    problems.push(
      `${where("backend")} ${quoted(name)} is not one of ${names.join(", ")}${
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
  where: Where,
  problems: string[],
): void {
  const expected = backend.expectedConnect?.(connect);
  if (expected !== undefined) {
    // A host may come without the slashes that credentials are found by.
    const shown = connect.includes("//") ? connect : connect.replace(/.*@/, "");
    problems.push(`${where("connect")} ${quoted(shown)}: expected ${expected}`);
  }
  for (const name of settings.keys()) {
    const has = ({ options = [] }: BackendDescription) =>
      options.some((each) => each.name === name);
    if (has(backend)) continue;
    problems.push(
      `${where(name)} belongs to the backend ${
        BACKENDS.find(has)!.name
      }, not to ${backend.name}`,
    );
  }
}

function checkSynjitsu(
  backend: BackendDescription,
  { synjitsu, connect }: OptionValues,
  where: Where,
  problems: string[],
): void {
  const why = synjitsu && notXen(backend, connect);
  if (why) {
    problems.push(
      `${where("synjitsu")} is of no use with ${backend.name}: ${why}`,
    );
  }
}

function bindOf({ bind, listen }: OptionValues): SocketAddress[] {
  return bind.map(({ address, port }) => ({ address, port: port ?? listen }));
}

function forwardingOf(
  values: OptionValues,
  where: Where,
  problems: string[],
): Forwarding {
  const { forward, forwarder, port } = values;
  const servers = forwarder.flatMap((each) =>
    each === NO_FORWARDER ? [] : [{
      address: each.address,
      port: each.port ?? port,
    }]
  );
  if (0 < servers.length && servers.length < forwarder.length) {
    problems.push(
      `${where("forwarder")} ${NO_FORWARDER} turns forwarding off, and ${
        socketName(servers[0])
      } is to be forwarded to: give one or the other`,
    );
  }
  for (const server of servers) {
    checkServer(where("forwarder"), server, values, problems);
  }

  const domains = new Map<string, SocketAddress[]>();
  for (const { domain, server } of forward) {
    const known = domains.get(domain);
    if (known !== undefined && (server === undefined || known.length === 0)) {
      problems.push(
        `${
          where("forward")
        } ${domain}= keeps ${domain} in the house, and is not the only one for it: give one or the other`,
      );
    }
    const added = server === undefined
      ? []
      : [{ address: server.address, port: server.port ?? port }];
    for (const each of added) {
      checkServer(`${where("forward")} ${domain}=`, each, values, problems);
    }
    domains.set(domain, [...known ?? [], ...added]);
  }
  return {
    servers: forwarder.length > 0 ? servers : { path: "/etc/resolv.conf" },
    domains,
    cacheSize: values["cache-size"],
    serveStale: values["serve-stale"] ?? 0,
    privateAnswers: {
      when: values["private-answers"],
      exceptions: values["rebind-ok"],
    },
  };
}

function checkServer(
  option: string,
  server: SocketAddress,
  values: OptionValues,
  problems: string[],
): void {
  const { address, port } = server;
  if (isBoundTo(bindOf(values), server)) {
    problems.push(
      `${option} ${address} with port ${port} is where Jitsu itself listens: queries would never leave it`,
    );
  }
}
