/**
 * A libvirt domain as a machine: what happens to it, in words for people.
 *
 * Each call looks the domain up anew. That costs one exchange with the daemon, and in return a domain that was undefined
 * and defined again behind our back, or a daemon that was restarted, leaves no stale handle.
 *
 * @module
 */
import { closest, distance } from "fastest-levenshtein";
import { log } from "../../log.ts";
import { CONTROL_DOMAIN } from "../../xen/control_domain.ts";
import {
  BackendError,
  type Machine,
  type MachineConfig,
  type MachineState,
  type MarkPlace,
  type StartAction,
  type StateListener,
} from "../backend.ts";
import type { Connection } from "./connection.ts";
import type { LibvirtKeys } from "./description.ts";
import { type Busy, Domain, type DomainKey } from "./domain.ts";
import { LibvirtError, RestoreError, VIR_ERR, xenRemedy } from "./errors.ts";
import type { EventMeaning } from "./events.ts";
import { readMark, writeMark } from "./mark.ts";
import { redact, showUri, virsh } from "./uri.ts";
import { delay } from "../../wait.ts";

/** How often to look whether a domain can be started that somebody else is at work on. */
const BUSY_POLL_MS = 100;

/** Within how many milliseconds of going off a domain that boots has been restarted. */
const RESTART_MS = 10_000;

/** Lends work a connection, whichever is up at the time. */
export type Use = <T>(
  work: (connection: Connection) => Promise<T>,
) => Promise<T>;

/** What is done to a domain. */
interface Deed<T> {
  /** In words, for messages. */
  words: string;
  /** The virsh command that does the same. */
  virsh: string;
  work: (domain: Domain) => T | Promise<T>;
  /** The outcome where the domain does not exist any more; without it, that is an error. */
  absent?: () => T;
}

export class LibvirtMachine implements Machine {
  readonly name: string;
  onStateChange?: StateListener;
  /** Its name until it is found, and from then on its UUID: another domain of that name is another machine. */
  #key: DomainKey;
  /** What people call it in commands: as it is configured. */
  readonly #word: string;
  readonly #suspendToDisk: boolean;
  /** Whether it is booted afresh where what was saved cannot be restored. */
  readonly #bootsInstead: boolean;
  #id = "";
  /** The state that was told last. */
  #told: MachineState = "off";
  onReboot?: (reason: string) => void;
  readonly mark: MarkPlace = {
    read: () =>
      this.#do({
        words: "read the mark of",
        virsh: "metadata",
        work: readMark,
        absent: () => undefined,
      }),
    write: (mark) =>
      this.#do({
        words: "mark",
        virsh: "metadata",
        work: (domain) => writeMark(domain, mark),
      }),
  };
  /** A start of ours that libvirt has not told of yet. */
  #isStarting = false;
  /** When it was told to go off, by the clock of performance.now(). */
  #wentOff = -Infinity;
  /** Counts events, to know whether one came while the state was being read. */
  #events = 0;

  constructor(
    config: MachineConfig<LibvirtKeys>,
    readonly uri: string,
    readonly use: Use,
    readonly release: () => void,
  ) {
    this.name = config.name;
    this.#key = { uuid: config.uuid?.toLowerCase(), name: config.name };
    this.#word = this.#key.uuid ?? config.name;
    this.#bootsInstead = config.keys.restore_fails === "boot";
    this.#suspendToDisk = config.keys.suspend === "disk";
  }

  /** The UUID, once {@linkcode find} has resolved. */
  get id(): string {
    return this.#id;
  }

  /** Looks for the domain. Rejects when there is none, and when it is no guest. */
  find(): Promise<void> {
    return this.use(async (connection) => {
      try {
        await Domain.lend(connection, this.#key, async (domain) => {
          if (domain.id === CONTROL_DOMAIN) {
            throw new BackendError(
              `domain ${domain.name} is Xen's control domain: that is the host itself, which is neither started nor stopped`,
            );
          }
          this.#id = domain.uuid;
          this.#key = { uuid: this.#id, name: this.name };
          const events = this.#events;
          const state = await domain.state();
          if (events === this.#events) this.#told = state;
        });
      } catch (error) {
        throw await this.#explain("find", "dominfo", connection, error);
      }
    });
  }

  /** Whether a connection leads to where it is. */
  async isOn(connection: Connection): Promise<boolean> {
    try {
      return await Domain.lend(connection, this.#key, () => true);
    } catch (error) {
      if (isNoDomain(error)) return false;
      throw error;
    }
  }

  /** Whether an event of that domain is this machine's. */
  is(domain: Required<DomainKey>): boolean {
    return this.#key.uuid === undefined
      ? this.#key.name === domain.name
      : this.#key.uuid === domain.uuid;
  }

  /** Takes note of an event of its domain. */
  async onEvent({ state, reason, isBoot }: EventMeaning): Promise<void> {
    this.#events++;
    if (state === "off") this.#wentOff = performance.now();
    if (isBoot) this.#onBoot(reason);
    if (state === "look") await this.refresh(reason);
    else this.#tell(state, reason);
  }

  /**
   * It boots. Xen's toolstack restarts a guest by making another domain at once: whoever reads the state meanwhile may
   * miss that it was off.
   */
  #onBoot(reason: string): void {
    const isOurs = this.#isStarting;
    this.#isStarting = false;
    if (isOurs || performance.now() - this.#wentOff > RESTART_MS) return;
    this.onReboot?.(reason);
  }

  /**
   * Reads the state and tells it if it changed, for when there may have been no event. An event that comes meanwhile is
   * newer than what was read and tells it all.
   */
  async refresh(reason: string): Promise<void> {
    const events = this.#events;
    const state = await this.state();
    if (events === this.#events) this.#tell(state, reason);
  }

  #tell(state: MachineState, reason: string): void {
    if (state === this.#told) return;
    this.#told = state;
    this.onStateChange?.(state, reason);
  }

  state(): Promise<MachineState> {
    return this.#do({
      words: "read the state of",
      virsh: "domstate",
      work: (domain) => domain.state(),
      absent: () => "off",
    });
  }

  async start(): Promise<StartAction> {
    this.#isStarting = true;
    try {
      const action = await this.#start();
      if (action !== "started") this.#isStarting = false;
      return action;
    } catch (error) {
      this.#isStarting = false;
      throw error;
    }
  }

  async #start(): Promise<StartAction> {
    const began = performance.now();
    for (let said = "";;) {
      const outcome = await this.#do({
        words: "start",
        virsh: "start",
        work: (domain) => this.#startOrBoot(domain),
      });
      if (typeof outcome === "string") return outcome;
      const { why, patienceMs } = outcome;
      if (performance.now() - began > patienceMs) {
        throw new BackendError(
          `cannot start ${this.name}: ${why}, still after ${
            patienceMs / 1000
          } s (libvirt at ${showUri(this.uri)}); ${
            virsh(this.uri, "domjobinfo", this.#word)
          } and ${
            virsh(this.uri, "domstate", this.#word, "--reason")
          } may say more`,
        );
      }
      if (why !== said) {
        log("backend").info(`${this.name}: ${why}; waiting until that is over`);
      }
      said = why;
      // Nothing is held meanwhile: others have their turn.
      await delay(BUSY_POLL_MS);
    }
  }

  async #startOrBoot(domain: Domain): Promise<StartAction | Busy> {
    try {
      return await domain.start();
    } catch (error) {
      const isFinal = error instanceof RestoreError && !error.mayPass;
      if (!isFinal || !this.#bootsInstead) throw error;
      log("backend").warn(
        `${this.name}: its managed save cannot be restored (${
          redact(error.message, this.uri)
        }); it is dropped, as restore_fails=boot says`,
      );
      await domain.destroy();
      return await domain.start();
    }
  }

  async destroy(): Promise<void> {
    const isDropped = await this.#do({
      words: "destroy",
      virsh: "destroy",
      work: (domain) => domain.destroy(),
      absent: () => false,
    });
    if (isDropped) await this.refresh("what was saved of it was dropped");
  }

  shutdown(): Promise<void> {
    return this.#do({
      words: "shut down",
      virsh: "shutdown",
      work: (domain) => domain.shutdown(),
      absent: () => {},
    });
  }

  async suspend(): Promise<"paused" | "suspended"> {
    if (this.#suspendToDisk) {
      await this.#do({
        words: "suspend to disk",
        virsh: "managedsave",
        work: (domain) => domain.save(),
      });
      return "suspended";
    }
    await this.#do({
      words: "suspend",
      virsh: "suspend",
      work: (domain) => domain.suspend(),
    });
    return "paused";
  }

  macAddresses(): Promise<string[]> {
    return this.#do({
      words: "read the description of",
      virsh: "dumpxml",
      work: (domain) => domain.macAddresses(),
    });
  }

  domainId(): Promise<number | undefined> {
    return this.#do({
      words: "read the id of",
      virsh: "domid",
      work: (domain) => domain.id,
      absent: () => undefined,
    });
  }

  #do<T>(deed: Deed<T>): Promise<T> {
    return this.use(async (connection) => {
      try {
        return await Domain.lend(connection, this.#key, deed.work);
      } catch (error) {
        if (isNoDomain(error) && deed.absent !== undefined) {
          return deed.absent();
        }
        throw await this.#explain(deed.words, deed.virsh, connection, error);
      }
    });
  }

  /** An error of libvirt with all that the reader needs; any other as it is. */
  async #explain(
    words: string,
    command: string,
    connection: Connection,
    error: unknown,
  ): Promise<unknown> {
    if (!(error instanceof LibvirtError)) return error;
    const isRestore = error instanceof RestoreError;
    const what = `cannot ${isRestore ? "restore" : words} ${this.name}`;
    const where = `libvirt at ${showUri(this.uri)}`;
    const why = redact(error.message, this.uri);
    if (!await connection.alive()) {
      return new BackendError(
        `${what}: the connection to ${where} was lost meanwhile (${why}); it is being opened again, try once more`,
      );
    }
    if (isNoDomain(error)) {
      return new BackendError(
        `${what}: ${where} has no domain ${await this.#missing(connection)}; ${
          virsh(this.uri, "list", "--all", "--uuid", "--name")
        } lists those it has, ${virsh(this.uri, "define", "FILE")} adds one`,
      );
    }
    if (isRestore && !error.mayPass) {
      return new BackendError(
        `${what}: ${why}; \`jitsu stop ${this.name} --mode destroy\` drops what was saved, and it boots afresh then (${where})`,
      );
    }
    return new BackendError(
      `${what}: ${why} (${where})${xenRemedy(error)}; does ${
        virsh(this.uri, command, this.#word)
      } work?`,
    );
  }

  /** What there is none of, and what may have been meant. */
  async #missing(connection: Connection): Promise<string> {
    const { uuid, name } = this.#key;
    if (uuid === undefined) {
      const names = await Domain.names(connection).catch(() => []);
      const nearest = names.length > 0 ? closest(name, names) : "";
      return distance(name, nearest) <= name.length / 2
        ? `${JSON.stringify(name)} (did you mean ${JSON.stringify(nearest)}?)`
        : JSON.stringify(name);
    }
    const other = await Domain.lend(connection, { name }, ({ uuid }) => uuid)
      .catch(() => undefined);
    return other === undefined
      ? `with the UUID ${uuid}`
      : `with the UUID ${uuid} any more; the one of that name, ${other}, is another: remove ${this.name} and add it again if that is meant`;
  }
}

function isNoDomain(error: unknown): boolean {
  return error instanceof LibvirtError && error.code === VIR_ERR.NO_DOMAIN;
}
