/**
 * What the operator's commands and the daemon say to each other over the control socket.
 *
 * A request is one line of JSON, `{"jitsu": 1, "command": "status", "name": "www"}`. The reply is any number of lines
 * `{"item": ...}`, and then one: `{"result": ...}`, or `{"error": {"problems": ["..."], "usage": false}}`. The next
 * request may follow on the same connection. While a reply takes its time, a space comes every now and then.
 *
 * @module
 */

/** Changes with whatever an older program would misunderstand. */
export const PROTOCOL_VERSION = 1;
/** Octets of the longest line: a request, and one of a reply. */
export const MAX_REQUEST = 64 * 1024;
export const MAX_REPLY_LINE = 1024 * 1024;

/** Milliseconds between two spaces that come before a reply while it takes its time, and how long no octet may come. */
export const BEAT_INTERVAL = 2_000, MAX_SILENCE = 10_000;

/** What can be asked: the fields of each request beside `jitsu` and `command`; `!` marks those that must be there. */
export const REQUESTS = {
  status: { name: "string" },
  start: { name: "string!" },
  stop: { name: "string!", mode: "string" },
  add: { spec: "string!", replace: "boolean" },
  remove: { name: "string!", stop: "boolean" },
  history: { name: "string", limit: "number!" },
  reload: { stop: "boolean" },
  upstreams: {},
} as const;

type FieldType = {
  string: string;
  number: number;
  boolean: boolean;
};
type Fields<F> =
  & {
    [K in keyof F as F[K] extends `${string}!` ? K : never]: F[K] extends
      `${infer T extends keyof FieldType}!` ? FieldType[T] : never;
  }
  & {
    [K in keyof F as F[K] extends keyof FieldType ? K : never]?: F[K] extends
      keyof FieldType ? FieldType[F[K]] : never;
  };
export type CommandName = keyof typeof REQUESTS;
/** A request for one command, or for any. */
export type Request<C extends CommandName = CommandName> = {
  [N in C]: { command: N } & Fields<typeof REQUESTS[N]>;
}[C];

/** How a unikernel is. Times are in milliseconds since 1970, durations in milliseconds; `null` where there is none. */
export interface UnikernelStatus {
  name: string;
  state: string;
  since: number;
  /** Why it is `failed`. */
  failure: string | null;
  /** What did not come though it was waited for, where it was taken for `ready` all the same. */
  unconfirmed: string | null;
  /** Whether this Jitsu started what runs; another's is left alone unless `adopt=stop`. */
  ours: boolean;
  /** How long until it is stopped if nobody asks for it. */
  idleIn: number | null;
  mode: string;
  /** Seconds. */
  ttl: number;
  addresses: string[];
  dns: { name: string; requests: number; lastRequest: number | null }[];
  /** The requests for all its names. */
  requests: number;
  starts: number;
  failures: number;
  /** How long the last start took until it was ready. */
  timeToReady: number | null;
  /** Its CONFIG. */
  spec: string;
}

/** How a server is that other names are asked of. */
export interface UpstreamStatus {
  /** Whose names it is asked about: a domain, or `.` for all that have no server of their own. */
  domain: string;
  /** Its address and port. */
  server: string;
  /** Whether it has replied, and not failed since. */
  works: boolean;
  /** The smoothed round trip, in milliseconds; `null` where none was measured. */
  roundTrip: number | null;
  /** How often in a row it has failed. */
  failures: number;
  /** What it was found not to be able to do, and is not asked for at the moment. */
  lacks: string[];
}

/** What a reload did: the names of the unikernels. */
export interface ReloadReport {
  added: string[];
  changed: string[];
  removed: string[];
  unchanged: string[];
  /** Options that have changed and count only from the next start of the daemon. */
  needRestart: string[];
}

/** What went wrong, a line each; `usage` where the request was at fault. */
export interface Refusal {
  problems: string[];
  usage: boolean;
}

/** A request was refused, or what came is not of this protocol. */
export class ControlError extends Error implements Refusal {
  override name = "ControlError";

  constructor(readonly problems: string[], readonly usage = false) {
    super(problems.join("\n"));
  }
}

/** The refusal of a name that no unikernel has. */
export function noUnikernel(name: string): ControlError {
  return new ControlError([
    `there is no unikernel ${name}: jitsu status lists them`,
  ], true);
}

/** Says which options a reload could not change. */
export function restartNeeded(options: readonly string[]): string {
  return `these options have changed and count only after a restart: ${
    options.join(", ")
  }`;
}

/** Nobody answers at the control socket, or stops doing so. */
export class Unreachable extends Error {
  override name = "Unreachable";
}

/** Checks what came over the socket. Throws {@linkcode ControlError}. */
export function readRequest(line: string): Request {
  let value: Record<string, unknown>;
  try {
    value = { ...JSON.parse(line) };
  } catch {
    throw new ControlError(["the request is not JSON"], true);
  }
  const { jitsu, command, ...given } = value;
  if (jitsu !== PROTOCOL_VERSION) {
    throw new ControlError([
      `the daemon speaks version ${PROTOCOL_VERSION} of the control protocol, not ${jitsu}: use the daemon's own jitsu`,
    ], true);
  }
  if (typeof command !== "string" || !Object.hasOwn(REQUESTS, command)) {
    throw new ControlError([`there is no command ${command}`], true);
  }
  const fields: Record<string, string> = REQUESTS[command as CommandName];
  for (const [name, type] of Object.entries(fields)) {
    const isMissing = given[name] === undefined && !type.endsWith("!");
    if (!isMissing && typeof given[name] !== type.replace("!", "")) {
      throw new ControlError([`${command} needs ${name}: a ${type}`], true);
    }
  }
  return { command, ...given } as Request;
}

/** Turns the control socket off. */
export const NO_CONTROL = "none";

/** Where the socket is unless `--control` says it; nowhere where there is no directory that is safe for it. */
export function defaultControlPath(persistdb?: string): string | undefined {
  if (persistdb !== undefined) return `${persistdb}.sock`;
  if (Deno.build.os !== "windows" && Deno.uid() === 0) {
    return "/run/jitsu/control.sock";
  }
  const runtime = Deno.env.get("XDG_RUNTIME_DIR");
  return runtime ? `${runtime}/jitsu.sock` : undefined;
}
