/**
 * The seam to whoever answers for a machine while it boots, so that the first connections to it are not lost: Synjitsu
 * (`--synjitsu`), and what catches them on a network interface (`--catch`). How they do it is not known here.
 *
 * The summoner tells each {@linkcode ConnectionHolder} of a boot when it makes the call that starts, unpauses or resumes
 * the machine, beside that call, or when it sees that somebody else started it. The {@linkcode Hold} it gets for it is
 * told how the boot ended, once: at the latest when the daemon stops. A holder only listens. What it is told never
 * waits for it, nothing fails with it, and no answer is later for it.
 *
 * @module
 */
import type { Calls } from "./calls.ts";
import { messageOf, type UnikernelLog } from "./text.ts";
import type { Unikernel } from "./unikernel.ts";

/** A machine that boots. */
export interface BootingMachine {
  /** As it is configured at this moment: its name, its addresses, and whether Synjitsu is to be told of it. */
  readonly unikernel: Unikernel;
  /** Its MAC addresses, at least one, in the order of its interfaces: six lower-case hex pairs with colons. */
  readonly macs: readonly string[];
}

/**
 * The MAC address of the network interface with that index, which is the value of `key`.
 *
 * @throws {Error} where it has no such interface
 */
export function macOfNic(
  { macs }: BootingMachine,
  key: string,
  index: number,
): string {
  const mac = macs[index];
  if (mac !== undefined) return mac;
  throw new Error(
    `${key}=${index}: there is no such network interface; its last is ${
      macs.length - 1
    }`,
  );
}

/** Told of each boot of each machine. */
export interface ConnectionHolder {
  /**
   * The machine boots: from now on somebody may connect to it before it can answer. Returns at once, with nothing where
   * it has no part in this boot. What is thrown goes to the log.
   */
  hold(machine: BootingMachine): Hold | undefined;
}

/** What is held for one boot. Exactly one of its methods is called, once; it returns at once, what is thrown goes to the log. */
export interface Hold {
  /** Resolves when the machine has been heard of on its network, if the holder can tell; it need not listen by then. */
  readonly heard?: Promise<void>;
  /** The machine is ready, and answers for itself. Called before the answers to the queries that waited go out. */
  ready(): void;
  /** It will not be: the boot failed, the machine was stopped, or it is none of ours any more. */
  ended(): void;
}

/** What all holders hold for one machine, boot after boot. */
export class Holds {
  readonly #holders: readonly ConnectionHolder[];
  readonly #log: UnikernelLog;
  /** Of the boot that is under way, if one is. */
  #holds?: Hold[];
  #heard = Promise.withResolvers<void>();

  constructor(holders: readonly ConnectionHolder[], log: UnikernelLog) {
    this.#holders = holders;
    this.#log = log;
  }

  /** The machine boots: its first connections are held as soon as its MAC addresses are known. */
  begin(unikernel: Unikernel, machine: Calls): void {
    if (this.#holders.length > 0) this.#begin(unikernel, machine);
  }

  /** {@linkcode Hold.heard} of the boot that is under way; undefined where nobody holds anything and can tell. */
  get heard(): Promise<void> | undefined {
    return this.#holders.length > 0 ? this.#heard.promise : undefined;
  }

  ready(): void {
    this.#end("ready");
  }

  ended(): void {
    this.#end("ended");
  }

  /** Never rejects. */
  async #begin(unikernel: Unikernel, machine: Calls): Promise<void> {
    const holds: Hold[] = this.#holds = [];
    const { resolve } = this.#heard = Promise.withResolvers<void>();
    let macs: readonly string[];
    try {
      macs = await machine.macAddresses();
      if (macs.length === 0) throw new Error("it has no MAC address");
    } catch (error) {
      const message = messageOf(error);
      this.#log("warn", `its first connections are not held: ${message}`);
      resolve();
      return;
    }
    if (this.#holds !== holds) return; // that boot is over already
    for (const holder of this.#holders) {
      this.#attempt(() => {
        const hold = holder.hold({ unikernel, macs });
        if (hold !== undefined) holds.push(hold);
      });
    }
    const tellers = holds.flatMap(({ heard }) => heard ?? []);
    if (tellers.length > 0) await Promise.race(tellers);
    resolve();
  }

  #end(how: "ready" | "ended"): void {
    const holds = this.#holds ?? [];
    this.#holds = undefined;
    for (const hold of holds) this.#attempt(() => hold[how]());
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      const message = messageOf(error);
      this.#log("warn", `holding its first connections: ${message}`);
    }
  }
}
