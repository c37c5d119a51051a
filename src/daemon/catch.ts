/**
 * `--catch`: which boots are caught, and where. How that is done is in catch/.
 *
 * @module
 */
import {
  type Catch,
  Catcher,
  CatchError,
  type Caught,
} from "../catch/catcher.ts";
import { parseAddress } from "../net/address.ts";
import { linksOf } from "../net/network.ts";
import { LibraryError } from "../ffi/library.ts";
import { macOctets } from "../net/mac.ts";
import {
  type BootingMachine,
  type ConnectionHolder,
  macOfNic,
} from "../summon/hold.ts";
import { StartError } from "./options.ts";

export class CatchHolder implements ConnectionHolder {
  private constructor(readonly catcher: Catcher) {}

  /** Rejects with {@linkcode StartError} where it cannot be done on one of the interfaces. */
  static async open(
    interfaces: readonly string[],
    now: () => number,
  ): Promise<CatchHolder> {
    try {
      return new CatchHolder(
        await Catcher.open({ interfaces, now, addressesOf, linksOf }),
      );
    } catch (error) {
      if (error instanceof CatchError || error instanceof LibraryError) {
        throw new StartError(`--catch: ${error.message}`);
      }
      throw error;
    }
  }

  hold(booting: BootingMachine): Catch {
    return this.catcher.start(caughtOf(booting));
  }

  close(): Promise<void> {
    return this.catcher.close();
  }
}

/**
 * The machine as it is on the wire.
 *
 * @throws {Error} where it has no such network interface
 */
export function caughtOf(booting: BootingMachine): Caught {
  const { unikernel: { name, addresses, catchNic }, macs } = booting;
  const mac = macOfNic(booting, "catch_nic", catchNic);
  return {
    name,
    addresses: addresses.map((each) => parseAddress(each)!),
    mac: macOctets(mac),
    otherMacs: macs.filter((each) => each !== mac).map(macOctets),
  };
}

export function addressesOf(name: string): Uint8Array[] {
  return Deno.networkInterfaces().filter((each) => each.name === name)
    .flatMap(({ address }) => parseAddress(address) ?? []);
}
