/**
 * What the whole command line asks for, checked. Nothing is touched here: no backend is loaded, no port bound.
 *
 * @module
 */
import type { BackendDescription } from "../backends/backend.ts";
import { BACKENDS } from "../backends/registry.ts";
import type { DaemonOptions, Forwarding } from "../daemon.ts";
import type { setupLog } from "../log.ts";
import type { Unikernel } from "../summon/unikernel.ts";
import { readArguments } from "./args.ts";
import { isCutOff, type Pair, parseConfig } from "./config.ts";
import { LATER, NOT_YET } from "./later.ts";
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
  const { values, configs, problems } = readArguments(argv);
  if (values.help) return { kind: "help", format: values.help };
  if (values.version) return { kind: "version" };

  const backend = backendOf(values.backend, problems);
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
      unikernels,
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
  if (LATER.backends.includes(name)) {
    problems.push(`option --backend ${name} is ${NOT_YET}`);
  } else if (backend === undefined) {
    const names = BACKENDS.map((each) => each.name);
    problems.push(
      `option --backend ${quoted(name)} is not one of ${names.join(", ")}${
        didYouMean(name, names)
      }`,
    );
  }
  return backend;
}

function forwardingOf(
  { forwarder, port, bind, listen }: OptionValues,
  problems: string[],
): Forwarding {
  if (forwarder === undefined) {
    return { kind: "resolv.conf", path: "/etc/resolv.conf" };
  }
  if (forwarder === NO_FORWARDER) return { kind: "off" };
  const isOwn = forwarder === bind || isWildcard(bind) &&
      (forwarder.startsWith("127.") || bind === "::" && forwarder === "::1");
  if (isOwn && port === listen) {
    problems.push(
      `option --forwarder ${forwarder} with port ${port} is where Jitsu itself listens: queries would never leave it`,
    );
  }
  return { kind: "servers", servers: [{ address: forwarder, port }] };
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
