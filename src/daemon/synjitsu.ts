/**
 * `--synjitsu` and `use_synjitsu=1`: which boots Synjitsu is told of. How it is told is in xen/synjitsu.ts.
 *
 * @module
 */
import { isIPv4 } from "node:net";
import {
  type BootingMachine,
  type ConnectionHolder,
  macOfNic,
} from "../summon/hold.ts";
import { VchanError } from "../xen/libxenvchan.ts";
import { XenstoreError } from "../xen/libxenstore.ts";
import { Synjitsu } from "../xen/synjitsu.ts";
import { StartError } from "./options.ts";

export class SynjitsuHolder implements ConnectionHolder {
  private constructor(readonly synjitsu: Synjitsu) {}

  /** Connects in the background. Rejects with {@linkcode StartError} where that cannot be on this host. */
  static async open(uuid: string): Promise<SynjitsuHolder> {
    try {
      return new SynjitsuHolder(await Synjitsu.open(uuid));
    } catch (error) {
      if (error instanceof VchanError || error instanceof XenstoreError) {
        throw new StartError(`--synjitsu: ${error.message}`);
      }
      throw error;
    }
  }

  /** Synjitsu finds out by itself when the boot is over. */
  hold(booting: BootingMachine): undefined {
    const pair = pairOf(booting);
    if (pair === undefined) return;
    this.synjitsu.tell(booting.unikernel.name, pair.mac, pair.address);
  }

  close(): Promise<void> {
    return this.synjitsu.close();
  }
}

/**
 * What Synjitsu is to be told of a boot, if anything: the MAC address of one network interface, and the first IPv4
 * address, for the others may be those of other interfaces.
 *
 * @throws {Error} where there is no such interface
 */
export function pairOf(
  booting: BootingMachine,
): { mac: string; address: string } | undefined {
  const { addresses, useSynjitsu, synjitsuNic } = booting.unikernel;
  const address = addresses.find((each) => isIPv4(each));
  if (!useSynjitsu || address === undefined) return undefined;
  return { mac: macOfNic(booting, "synjitsu_nic", synjitsuNic), address };
}
