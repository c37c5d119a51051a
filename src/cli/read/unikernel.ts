/**
 * What the keys and values of one CONFIG mean: a unikernel.
 *
 * @module
 */
import { isIPv4 } from "node:net";
import {
  type BackendDescription,
  noEthernet,
  notXen,
} from "../../backends/backend.ts";
import { BACKENDS } from "../../backends/registry.ts";
import type {
  Adoption,
  Answer,
  StopMode,
  Unikernel,
} from "../../summon/unikernel.ts";
import { type Key, readKeys, type Report } from "../../values/key.ts";
import { didYouMean, printable } from "../../values/text.ts";
import { formatConfig, type Pair } from "./config.ts";
import { COMMON_KEYS } from "./keys.ts";

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
  const { backend } = defaults;
  if (backend) checkNames(given.keys(), backend, report);
  for (
    const { name, required } of [
      ...COMMON_KEYS,
      ...backend?.keys ?? [],
    ] as readonly Key[]
  ) {
    if (required && !given.has(name)) report(`${name} is missing`);
  }
  if (!given.has("name") && !given.has("uuid")) {
    report("name is missing (or uuid)");
  }
  checkCapabilities(given, defaults, report);
  const own = readKeys(backend?.keys ?? [], given, report);
  const keys = readKeys(COMMON_KEYS, given, report);
  checkDistinct("dns", keys.dns, report);
  checkDistinct("ip", keys.ip, report);
  const { ip: addresses, use_synjitsu: useSynjitsu, uuid } = keys;
  const name = keys.name ?? uuid ?? "";
  const mode = keys.mode ?? defaults.mode;
  const answer = keys.answer ?? defaults.answer;
  const waitForTcp = keys.wait_for_tcp;

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
  const backendWaits = (backend?.keys ?? []).some(({ name, waits }) =>
    waits && own[name]
  );
  if (
    !given.has("wait_for_key") && !given.has("wait_for_tcp") && !backendWaits
  ) {
    for (const key of ["wait_required", "wait_timeout"]) {
      if (!given.has(key)) continue;
      report(`${key} means nothing without wait_for_tcp or wait_for_key`, key);
    }
  }
  const notMachine = backend?.notMachine?.({ name, uuid });
  if (notMachine !== undefined) report(notMachine, uuid ? "uuid" : "name");
  return {
    name,
    dns: keys.dns,
    addresses,
    ttl: keys.ttl ?? defaults.ttl,
    mode,
    shutdownTimeout: keys.shutdown_timeout,
    adopt: keys.adopt ?? defaults.adopt ??
      (mode === "suspend" ? "stop" : "leave"),
    readiness: {
      responseDelay: keys.response_delay ??
        (waitForTcp === undefined && !backendWaits ? defaults.delay : 0),
      waitForTcp,
      waitForKey: keys.wait_for_key,
      waitTimeout: keys.wait_timeout,
      waitRequired: keys.wait_required,
    },
    useSynjitsu,
    synjitsuNic: keys.synjitsu_nic,
    catchNic: keys.catch_nic,
    answer,
    spec: formatConfig(pairs),
    fromFile: false,
    machine: { name, uuid, keys: own },
  };
}

/** Checks that the keys are those of all unikernels or of the backend. */
function checkNames(
  names: Iterable<string>,
  backend: BackendDescription,
  report: Report,
): void {
  const known: readonly Key[] = [...COMMON_KEYS, ...backend.keys];
  for (const name of names) {
    if (known.some((key) => key.name === name)) continue;
    report(unknownKey(name, known, backend), name);
  }
}

/** Checks that no value is there twice. */
function checkDistinct(
  key: string,
  values: readonly string[],
  report: Report,
): void {
  const once = new Set<string>(), again = new Set<string>();
  for (const value of values) (once.has(value) ? again : once).add(value);
  for (const value of again) {
    report(`${key} ${value} is given more than once`, key);
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
  known: readonly Key[],
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
