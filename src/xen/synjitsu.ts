/**
 * The connection to Synjitsu, a unikernel that answers for machines while they boot: it is told the MAC and IPv4 address
 * of each over a vchan, ten bytes a machine, and then answers ARP for it and keeps its SYNs. What Synjitsu does with them
 * is between it and the machine's TCP/IP stack.
 *
 * Synjitsu is the vchan's server, at the key where MirageOS's vchans have their port "synjitsu" (ocaml-vchan,
 * lib/xenstore.ml). It may come, go and come back as another domain with the same UUID: that is heard of by watches of
 * xenstore. Nobody ever waits for it.
 *
 * @module
 */
import { log } from "../log.ts";
import { macOctets } from "../net/mac.ts";
import { loadLibXenvchan, VchanError } from "./libxenvchan.ts";
import { VchanClient } from "./vchan.ts";
import { type Unwatch, watch, type WatchListener } from "./watches.ts";
import { Xenstore } from "./xenstore.ts";
import { delay } from "../wait.ts";

/** Milliseconds after which xenstored is tried again when the connection to it was lost. */
const RETRY_MS = 5000;

/** Where a Synjitsu says how to connect to it: the client is domain 0, which Jitsu runs in. */
const vchanPath = (domid: number) =>
  `/local/domain/${domid}/data/vchan/0/synjitsu`;

/**
 * What Synjitsu is told of a machine: the six octets of its MAC address, the four of its IPv4 address.
 *
 * @param mac six hex pairs with colons
 * @param address in dotted decimal
 */
export function synjitsuMessage(
  mac: string,
  address: string,
): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...macOctets(mac),
    ...address.split(".").map(Number),
  ]);
}

/** The domain with that UUID, if there is one now; `last` is what it was. */
export async function findSynjitsu(
  xenstore: Xenstore,
  uuid: string,
  last?: number,
): Promise<number | undefined> {
  const isIt = async (domid: number) =>
    await xenstore.read(`/local/domain/${domid}/vm`) === `/vm/${uuid}`;
  if (last !== undefined && await isIt(last)) return last;
  for (const domid of await xenstore.list("/local/domain")) {
    if (await isIt(Number(domid))) return Number(domid);
  }
}

/** Whether it says how to connect to it. */
export async function isServing(
  xenstore: Xenstore,
  domid: number,
): Promise<boolean> {
  const keys = await xenstore.list(vchanPath(domid));
  return keys.includes("ring-ref") && keys.includes("event-channel");
}

/** Remembers that something has changed until that is asked for. */
class Changes implements WatchListener {
  #next = Promise.withResolvers<void>();
  #lost?: Error;

  onEvent(): void {
    this.#next.resolve();
  }
  onLost(reason: Error): void {
    this.#lost = reason;
    this.#next.resolve();
  }
  /** Resolves when something has changed since this last resolved. Rejects when no more can be heard of. */
  async next(): Promise<void> {
    await this.#next.promise;
    if (this.#lost) throw this.#lost;
    this.#next = Promise.withResolvers();
  }
}

/** The Synjitsu with that UUID, whether it is there or not. */
export class Synjitsu {
  readonly #uuid: string;
  readonly #closing = new AbortController();
  readonly #following: Promise<void>;
  #changes = new Changes();
  #vchan?: VchanClient;
  /** How things stand, for the log. */
  #state = "it is being looked for";

  private constructor(uuid: string, xenstore: Xenstore) {
    this.#uuid = uuid;
    this.#following = this.#followOn(xenstore);
  }

  /**
   * Connects to it in the background, now and whenever it has come back. Rejects with `VchanError` or `XenstoreError`
   * where that could never be: a library is missing, or this is not dom0.
   *
   * @param uuid lower case, with hyphens
   */
  static async open(uuid: string): Promise<Synjitsu> {
    loadLibXenvchan();
    return new Synjitsu(uuid, await Xenstore.open());
  }

  /**
   * Tells it of a machine that boots: `mac` is six hex pairs with colons, `address` an IPv4 address. Returns at once. What
   * Synjitsu cannot be told now it is never told, and the log has a warning.
   *
   * @param name the machine's, for the log
   */
  tell(name: string, mac: string, address: string): void {
    const outcome = this.#vchan?.send(synjitsuMessage(mac, address));
    if (outcome === "sent") {
      log("summon").debug(`${name}: told Synjitsu of ${address} at ${mac}`);
      return;
    }
    // Somebody may have closed the vchan without xenstore's knowing.
    this.#changes.onEvent();
    const why = outcome === "full"
      ? "it has not read what it was told before, and there is no more room"
      : outcome === "closed"
      ? "it has closed the connection"
      : this.#state;
    log("summon").warn(`${name}: Synjitsu could not be told of it: ${why}`, {
      unikernel: name,
    });
  }

  /** Lets go of it. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#changes.onLost(this.#closing.signal.reason);
    await this.#following;
  }

  /** Follows it until this is closed. Never rejects. */
  async #followOn(first: Xenstore): Promise<void> {
    const { signal } = this.#closing;
    let open: () => Promise<Xenstore> = () => Promise.resolve(first);
    while (!signal.aborted) {
      try {
        await using xenstore = await open();
        await this.#follow(xenstore);
      } catch (error) {
        if (signal.aborted) return;
        this.#enter("warn", (error as Error).message);
        await delay(RETRY_MS, signal).catch(() => {}); // the loop ends then
      }
      open = () => Xenstore.open();
    }
  }

  /** Rejects when xenstore can be used no more, or when this is closed. */
  async #follow(xenstore: Xenstore): Promise<never> {
    const changes = this.#changes = new Changes();
    if (this.#closing.signal.aborted) {
      changes.onLost(this.#closing.signal.reason);
    }
    const unwatch = await watch(`/vm/${this.#uuid}`, changes);
    let domid: number | undefined;
    let unwatchVchan: Unwatch | undefined;
    try {
      for (;;) {
        await changes.next();
        const found = await findSynjitsu(xenstore, this.#uuid, domid);
        if (found !== domid) {
          await this.#disconnect();
          await unwatchVchan?.();
          unwatchVchan = undefined;
          if (found !== undefined) {
            unwatchVchan = await watch(vchanPath(found), changes);
          }
          domid = found;
        }
        if (domid === undefined) {
          this.#enter("warn", `no domain has the UUID ${this.#uuid}`);
        } else await this.#connect(xenstore, domid);
      }
    } finally {
      await this.#disconnect();
      await unwatchVchan?.();
      await unwatch();
    }
  }

  /** Connects to it where it can be connected to and it is not yet, or not any more. */
  async #connect(xenstore: Xenstore, domid: number): Promise<void> {
    const serves = await isServing(xenstore, domid);
    if (this.#vchan?.isOpen && serves) return;
    await this.#disconnect();
    if (!serves) {
      this.#enter("info", `domain ${domid} does not take connections now`);
      return;
    }
    try {
      this.#vchan = await VchanClient.connect(domid, vchanPath(domid));
      this.#enter("info", `connected to domain ${domid}`);
    } catch (error) {
      if (!(error instanceof VchanError)) throw error;
      this.#enter("warn", error.message);
    }
  }

  async #disconnect(): Promise<void> {
    const vchan = this.#vchan;
    if (vchan === undefined) return;
    this.#vchan = undefined;
    this.#enter("warn", "the connection to it is gone");
    await vchan.close();
  }

  #enter(level: "info" | "warn", state: string): void {
    if (state === this.#state || this.#closing.signal.aborted) return;
    this.#state = state;
    log("summon")[level](`Synjitsu: ${state}`);
  }
}
