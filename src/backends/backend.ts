/**
 * What Jitsu asks of a virtualization backend: find a machine, start it, stop it, and tell when its state changes.
 *
 * A backend knows configurations and machine states. It knows nothing of DNS, of readiness or of expiry; when a
 * machine is started and stopped is the summoner's business.
 *
 * @module
 */
import type { Key } from "../values/key.ts";

/**
 * A machine's state, in the words libvirt, libxl and XAPI share.
 *
 * - `off`: not there, shut off, halted or crashed; {@linkcode Machine.start} boots it
 * - `running`: executing
 * - `paused`: in memory but not executing; {@linkcode Machine.start} unpauses it
 * - `suspended`: saved to disk; {@linkcode Machine.start} restores it
 */
export type MachineState = "off" | "running" | "paused" | "suspended";

/** What {@linkcode Machine.start} had to do. */
export type StartAction = "started" | "unpaused" | "resumed" | "found running";

/** What the backend's own keys mean, by their names. */
export type MachineKeys = Readonly<Record<string, unknown>>;

/** What a unikernel's configuration tells its backend. */
export interface MachineConfig<Keys = MachineKeys> {
  /** The machine's name, as the backend and the log know it. */
  name: string;
  /** The machine's UUID where one was configured; it wins over the name. */
  uuid?: string;
  /** What the backend's own keys ({@linkcode BackendDescription.keys}) mean, read as its table of them says. */
  keys: Keys;
}

/** A key of a unikernel's configuration that one backend understands. */
export interface BackendKey<T = unknown> extends Key<T> {
  /** Whether `true` makes the machine be waited for until it is ready, see {@linkcode Machine.readiness}. */
  readonly waits?: true;
}

/** Told of every change of a machine's state, whoever caused it. `reason` is for the log. */
export type StateListener = (state: MachineState, reason: string) => void;

/** What tells that a machine is ready, where its backend knows and the backend's own keys ask for it. */
export interface MachineReadiness {
  /** What is waited for, for the log, e.g. `"DHCP lease"`. */
  readonly what: string;
  /**
   * Resolves when a machine that runs is ready. Rejects with {@linkcode BackendError} where this cannot be told now, and
   * with the signal's reason when that aborts.
   */
  wait(signal: AbortSignal): Promise<void>;
}

/**
 * A place on the machine itself for one mark, a line of text, that every Jitsu sees who looks after this machine, from
 * whatever host: libvirt's metadata, xenstore with libxl, XAPI's other_config, a file beside the pidfile. What the mark says
 * is the summoner's business (who started the machine, and when it was asked for last): the backend keeps it as it is.
 *
 * A mark is for one run of the machine, from its start until it is off. It may be lost at any time (a suspend, a
 * migration), which is taken as if there had been none; but one of an earlier run must never be read, or a machine that
 * an administrator has started since would be taken for ours. Where the place outlives the run, the backend notes there
 * which run it was and tells nothing when that is over.
 */
export interface MarkPlace {
  /** The mark as it is there now, whoever wrote it; `undefined` where there is none. Rejects with {@linkcode BackendError}. */
  read(): Promise<string | undefined>;
  /**
   * Puts a mark there in place of the one before. It is 1 to 1000 characters of `A-Z a-z 0-9 . : ; = / + -`, so that it
   * needs no escaping anywhere. Called while the machine runs, some seconds apart, and not in the way of any answer.
   * Rejects with {@linkcode BackendError} where it cannot be put there, also because the machine does not run any more.
   */
  write(mark: string): Promise<void>;
}

/** One machine of a backend. All methods reject with {@linkcode BackendError}. */
export interface Machine {
  /** What identifies it for good: its UUID where the backend has UUIDs, otherwise its name. */
  readonly id: string;
  readonly name: string;
  /** Milliseconds that a shutdown may take before it is followed by destroy, where the backend's own keys set it. */
  readonly gracePeriod?: number;
  readonly readiness?: MachineReadiness;
  /** Where a mark can be left on it; absent where the backend has no place for one. */
  readonly mark?: MarkPlace;
  /** Set by the machine's one owner. */
  onStateChange?: StateListener;
  /**
   * Set by the machine's one owner, too. Told when a machine that ran boots anew without having been told `off` in
   * between: a reboot from inside, by an operator or by the toolstack (`on_crash=restart`), where the backend can tell one.
   * Whatever it served before, it has to become ready again. Not for our own {@linkcode start}.
   */
  onReboot?: (reason: string) => void;

  /** The state as the backend has it now. */
  state(): Promise<MachineState>;
  /** Brings it to `running` from whatever state it is in; resolves once it runs, which is before it is ready. */
  start(): Promise<StartAction>;
  /** Takes it down at once, whatever state it is in; resolves when it is off. A machine that is off already is fine. */
  destroy(): Promise<void>;
  /** Asks it to shut down; resolves when it was asked. That it went off is told by {@linkcode onStateChange}. */
  shutdown(): Promise<void>;
  /** Suspends it and resolves with the state that this left it in. When it rejects, the machine runs as before. */
  suspend(): Promise<"paused" | "suspended">;
  /**
   * Its MAC addresses, in the order of its network interfaces: six lower-case hex pairs with colons. There where the
   * backend has {@linkcode Capabilities.ethernet}.
   */
  macAddresses?(): Promise<string[]>;
  /** The hypervisor's number for it while it runs (Xen's and libvirt's domain id), where there can be one. */
  domainId?(): Promise<number | undefined>;
  /** What would keep it from starting, a sentence each, as far as that can be seen without starting it. */
  startProblems?(): Promise<string[]>;
  /** Lets go of it as it is, while others go on: nothing is asked of it any more, and it need tell nothing. */
  release?(): void;
}

/** A connection to what runs the machines. `Keys` is what the keys of its description mean (`ValuesOf` in values/key.ts). */
export interface Backend<Keys = MachineKeys> {
  /**
   * Finds the machine, or prepares it where the backend makes machines from their configuration. A machine that was
   * found before may be asked for again, with other keys: those count from then on, nothing else happens to it.
   * Rejects with {@linkcode BackendError} when there is no such machine.
   */
  machine(config: MachineConfig<Keys>): Promise<Machine>;
  /** Lets go of everything. Machines stay as they are, unless they cannot live without this process. */
  close(): Promise<void>;
}

/**
 * What a backend remembers from one run of Jitsu to the next of what is at the far end of its connection, so that it
 * takes no other for it: a pool, a host. Without a database it lasts as long as this process.
 */
export interface BackendMemory {
  /** The identity that was noted for a far end, or nothing. `farEnd` is its address as the backend has it, without secrets. */
  recall(farEnd: string): Promise<string | undefined>;
  /** Notes the identity of a far end in place of the one before. Never rejects. */
  note(farEnd: string, identity: string): Promise<void>;
}

/** What a backend needs to be opened. */
export interface BackendOptions {
  /** `--connect`: a libvirt URI, a XAPI URL, or nothing the backend looks at. */
  connect: string;
  /** The {@linkcode BackendOption}s that were given, by their names; a flag's value is empty. */
  settings?: ReadonlyMap<string, string>;
  memory?: BackendMemory;
}

/** An option of the command line that is for one backend. */
export interface BackendOption {
  /** The long name, without its dashes. It begins with the backend's. */
  name: string;
  /** What the value is called, in capitals; an option without one is a flag. */
  value?: string;
  /** What it means, for `--help` and the man page: sentences. */
  doc: string;
}

/**
 * What a backend can do beyond starting and stopping machines. What is absent it cannot; where there is a reason that
 * helps the user, that stands instead of `true`: a sentence part without its subject's name.
 */
export interface Capabilities {
  /**
   * Its machines have network interfaces on this host whose MAC addresses {@linkcode Machine.macAddresses} tells, so that
   * somebody can answer for them while they boot.
   */
  readonly ethernet?: true | string;
  /**
   * Its machines are guests of the Xen host that Jitsu runs on, by a connection like this: they have a part of its
   * xenstore, which {@linkcode Machine.domainId} finds.
   */
  xen?(connect: string): true | string;
}

/** Why a backend cannot do something; undefined where it can. */
function cannot(
  capability: true | string | undefined,
  otherwise: string,
): string | undefined {
  return capability === true ? undefined : capability ?? otherwise;
}

/** Why the machines of a backend are no guests of this Xen host; undefined where they are. */
export function notXen(
  { capabilities }: BackendDescription,
  connect: string,
): string | undefined {
  return cannot(
    capabilities.xen?.(connect),
    "its machines are no guests of this Xen host",
  );
}

/** Why nobody can answer for the machines of a backend while they boot; undefined where somebody can. */
export function noEthernet(
  { capabilities }: BackendDescription,
): string | undefined {
  return cannot(
    capabilities.ethernet,
    "its machines have no network interface that is known here",
  );
}

/** A backend as the command line knows it, before anything of it is loaded. */
export interface BackendDescription {
  name: string;
  /** One sentence for `--help`. */
  doc: string;
  keys: readonly BackendKey[];
  /** The bridges of this host that the network interfaces of such a machine are on, where its keys say so. */
  bridges?(keys: MachineKeys): readonly string[];
  options?: readonly BackendOption[];
  capabilities: Capabilities;
  /** Says why a machine of that name or UUID can never be one of its, where that is so. Touches nothing. */
  notMachine?: (
    machine: Pick<MachineConfig, "name" | "uuid">,
  ) => string | undefined;
  /** Says what `--connect` should be instead when it cannot be right. Touches nothing. */
  expectedConnect?: (connect: string) => string | undefined;
  /** Loads the backend's code and connects. Rejects with {@linkcode BackendError}. */
  open(options: BackendOptions): Promise<Backend>;
}

/** A failure in the backend's own words, with what to do about it. The message is one line and carries no secret. */
export class BackendError extends Error {
  override name = "BackendError";
}
