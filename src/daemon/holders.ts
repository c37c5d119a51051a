/**
 * Who holds the first connections to machines that boot: those that the daemon is told to use.
 *
 * @module
 */
import { log } from "../log.ts";
import type { ConnectionHolder } from "../summon/hold.ts";
import type { DaemonOptions } from "./options.ts";

type Holder = ConnectionHolder & { close(): Promise<void> };

/** All of them. */
export class Holders {
  private constructor(readonly all: readonly Holder[]) {}

  /** Rejects with `StartError` where one cannot be had on this host. `now` is a monotonic clock in milliseconds. */
  static async open(
    { synjitsu, catch: interfaces }: DaemonOptions,
    now: () => number,
  ): Promise<Holders> {
    const all: Holder[] = [];
    if (interfaces.length > 0) {
      const { CatchHolder } = await import("./catch.ts");
      all.push(await CatchHolder.open(interfaces, now));
      log("jitsu").info(
        `catching first connections on ${interfaces.join(", ")}`,
        { interfaces },
      );
    }
    if (synjitsu !== undefined) {
      const { SynjitsuHolder } = await import("./synjitsu.ts");
      try {
        all.push(await SynjitsuHolder.open(synjitsu));
      } catch (error) {
        await new Holders(all).close();
        throw error;
      }
    }
    return new Holders(all);
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((holder) => holder.close()));
  }
}
