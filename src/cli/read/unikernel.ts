/**
 * What the keys and values of one CONFIG mean: a unikernel.
 *
 * @module
 */
import { isIPv4 } from "node:net";
import {
  type BackendDescription,
  type BackendKey,
  noEthernet,
  notXen,
} from "../../backends/backend.ts";
import { BACKENDS } from "../../backends/registry.ts";
import {
  type Adoption,
  ADOPTIONS,
  type Answer,
  ANSWERS,
  STOP_MODES,
  type StopMode,
  type Unikernel,
} from "../../summon/unikernel.ts";
import { formatConfig, type Pair } from "./config.ts";
import { COMMON_KEYS } from "./keys.ts";
import { controlIn } from "../../visible.ts";
import { didYouMean, printable, quoted } from "../text.ts";
import {
  readAddress,
  readBoolean,
  readChoice,
  readDnsName,
  type Reader,
  readNic,
  readPort,
  readSeconds,
  readText,
  readTtl,
  readUuid,
  ValueError,
} from "./values.ts";

/** Seconds, as the help text of the keys has them. */
const DEFAULT_SHUTDOWN_TIMEOUT = 60;
const DEFAULT_WAIT_TIMEOUT = 4;

/** What holds for a unikernel whose CONFIG does not say otherwise, and which backend's keys it may have. */
export interface Defaults {
  delay: number;
  ttl: number;
  mode: StopMode;
  answer: Answer;
  adopt?: Adoption;
  /** Who holds first connections; undefined where it is not known, and cannot be in the way. */
  holders?: { catch: boolean; synjitsu: boolean };
  /** Undefined where it is not known: then any key may be one of its own. */
  backend: BackendDescription | undefined;
  /** `--connect`, where it is known. */
  connect?: string;
}

/** Told what is wrong, and with which key where it is there. */
export type Report = (problem: string, key?: string) => void;

/**
 * Makes the unikernel of its keys and values. What is wrong with them is reported, a line each; the
 * unikernel is then only good for finding out what else is wrong.
 */
export function readUnikernel(
  pairs: readonly Pair[],
  defaults: Defaults,
  report: Report,
): Unikernel {
  const given = new Map<string, string[]>();
  for (const { key, value } of pairs) {
    const values = given.get(key);
    if (values) values.push(value);
    else given.set(key, [value]);
  }
  checkKeys(given, defaults.backend, report);
  checkCapabilities(given, defaults, report);

  function all<T>(key: string, read: Reader<T>): T[] {
    return (given.get(key) ?? []).flatMap((text) => {
      try {
        return [read(text)];
      } catch (error) {
        if (!(error instanceof ValueError)) throw error;
        report(`${key} ${quoted(text)} is not ${error.message}`, key);
        return [];
      }
    });
  }
  function set<T>(key: string, read: Reader<T>): T[] {
    const values = all(key, read);
    const once = new Set<T>(), again = new Set<T>();
    for (const value of values) (once.has(value) ? again : once).add(value);
    for (const value of again) {
      report(`${key} ${value} is given more than once`, key);
    }
    return values;
  }
  const one = <T>(key: string, read: Reader<T>) => all(key, read).at(-1);

  const dns = set("dns", readDnsName);
  const addresses = set("ip", readAddress);
  const uuid = one("uuid", readUuid);
  const name = one("name", readText) ?? uuid ?? "";
  const mode = one("mode", readChoice(STOP_MODES)) ?? defaults.mode;
  const responseDelay = one("response_delay", readSeconds);
  const shutdownTimeout = one("shutdown_timeout", readSeconds) ??
    DEFAULT_SHUTDOWN_TIMEOUT;
  const ttl = one("ttl", readTtl) ?? defaults.ttl;
  const useSynjitsu = one("use_synjitsu", readBoolean) ?? false;
  const synjitsuNic = one("synjitsu_nic", readNic) ?? 0;
  const catchNic = one("catch_nic", readNic) ?? 0;
  const answer = one("answer", readChoice(ANSWERS)) ?? defaults.answer;
  const adopt = one("adopt", readChoice(ADOPTIONS)) ?? defaults.adopt ??
    (mode === "suspend" ? "stop" : "leave");
  const waitForKey = one("wait_for_key", readText);
  const waitForTcp = one("wait_for_tcp", readPort);
  const waitRequired = one("wait_required", readBoolean) ?? false;
  const waitTimeout = one("wait_timeout", readSeconds) ?? DEFAULT_WAIT_TIMEOUT;

  if (useSynjitsu && addresses.length > 0 && !addresses.some(isIPv4)) {
    report(
      "use_synjitsu needs an IPv4 address: what Synjitsu is told of a unikernel has no room for IPv6",
      "use_synjitsu",
    );
  }
  if (!useSynjitsu && given.has("synjitsu_nic")) {
    report("synjitsu_nic means nothing without use_synjitsu", "synjitsu_nic");
  }
  const { holders } = defaults;
  const isHeld = holders === undefined || holders.catch ||
    holders.synjitsu && useSynjitsu;
  // Where it is so for all and nobody could hold anything, that is told once.
  const isTold = !given.has("answer") && !holders?.synjitsu;
  if (answer === "early" && !isHeld && !isTold) {
    report(
      "answer=early needs --catch, or --synjitsu and use_synjitsu=1: otherwise nobody holds the first connection while it boots",
      "answer",
    );
  }
  const backendWaits = (defaults.backend?.keys ?? []).some(({ name, waits }) =>
    waits && one(name, readBoolean)
  );
  if (
    !given.has("wait_for_key") && !given.has("wait_for_tcp") && !backendWaits
  ) {
    for (const key of ["wait_required", "wait_timeout"]) {
      if (!given.has(key)) continue;
      report(`${key} means nothing without wait_for_tcp or wait_for_key`, key);
    }
  }
  const notMachine = defaults.backend?.notMachine?.({ name, uuid });
  if (notMachine !== undefined) report(notMachine, uuid ? "uuid" : "name");
  return {
    name,
    dns,
    addresses,
    ttl,
    mode,
    shutdownTimeout,
    adopt,
    readiness: {
      responseDelay: responseDelay ??
        (waitForTcp === undefined && !backendWaits ? defaults.delay : 0),
      waitForTcp,
      waitForKey,
      waitTimeout,
      waitRequired,
    },
    useSynjitsu,
    synjitsuNic,
    catchNic,
    answer,
    spec: formatConfig(pairs),
    fromFile: false,
    machine: {
      name,
      uuid,
      keys: new Map(
        (defaults.backend?.keys ?? []).flatMap((key) => {
          const values = given.get(key.name);
          return values ? [[key.name, values]] : [];
        }),
      ),
    },
  };
}

/** Checks what can be said of the keys without reading common values, and the values of the backend's own keys. */
function checkKeys(
  given: ReadonlyMap<string, readonly string[]>,
  backend: BackendDescription | undefined,
  report: Report,
): void {
  const known = [...COMMON_KEYS, ...backend?.keys ?? []];
  for (const [name, values] of given) {
    const key = known.find((each) => each.name === name);
    if (key === undefined) {
      if (backend) report(unknownKey(name, known, backend), name);
      continue;
    }
    if (values.length > 1 && !key.repeatable) {
      report(
        `${name} is given ${values.length} times, once is the most`,
        name,
      );
    }
    for (const value of values) {
      const wrong = controlIn(
        key.hasLines ? value.replace(/[\t\n]/g, " ") : value,
      );
      if (wrong !== undefined) {
        report(`${name} ${quoted(value)} ${wrong}`, name);
      }
      const expected = key.expected?.(value);
      if (expected === undefined) continue;
      report(`${name} ${quoted(value)}: expected ${expected}`, name);
    }
  }
  for (const { name, required } of known) {
    if (required && !given.has(name)) report(`${name} is missing`);
  }
  if (!given.has("name") && !given.has("uuid")) {
    report("name is missing (or uuid)");
  }
}

/** Checks that the backend can do what is asked for by keys that all backends share. */
function checkCapabilities(
  given: ReadonlyMap<string, readonly string[]>,
  { backend, connect }: Defaults,
  report: Report,
): void {
  if (backend === undefined) return;
  const check = (names: string[], why: string | undefined) => {
    if (why === undefined) return;
    for (const name of names.filter((each) => given.has(each))) {
      report(`${name} is of no use with ${backend.name}: ${why}`, name);
    }
  };
  if (connect !== undefined) {
    check(
      ["wait_for_key", "use_synjitsu", "synjitsu_nic"],
      notXen(backend, connect),
    );
  }
  check(["catch_nic"], noEthernet(backend));
}

function unknownKey(
  name: string,
  known: readonly BackendKey[],
  backend: BackendDescription,
): string {
  const other = BACKENDS.find(({ keys }) =>
    keys.some((key) => key.name === name)
  );
  return other
    ? `key ${name} belongs to the backend ${other.name}, not to ${backend.name}`
    : `key ${printable(name)} is unknown${
      didYouMean(name, known.map((key) => key.name))
    }`;
}
