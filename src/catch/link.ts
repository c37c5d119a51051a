/**
 * A network interface where machines will be, as it is at each moment: it may come and go, and change its addresses. A
 * bridge without a MAC address of its own changes that with its ports, so when a machine's joins it.
 *
 * @module
 */
import { log } from "../log.ts";
import { isZero, type Octets } from "../wire/frames.ts";
import { PacketSocket } from "../wire/packet_socket.ts";
import { questionFor } from "./answers.ts";

export class Link implements AsyncDisposable {
  #socket?: PacketSocket;
  #addresses: readonly Octets[] = [];
  /** Its MAC address and its addresses when it was looked at last. */
  #seen = "";
  #closing: Promise<unknown> = Promise.resolve();

  /** `addressesOf` gives the addresses of an interface as they are now, 4 or 16 octets each. */
  constructor(
    readonly name: string,
    readonly addressesOf: (name: string) => readonly Octets[],
  ) {}

  /** What reads its frames and sends others; undefined while it is not there. */
  get socket(): PacketSocket | undefined {
    return this.#socket;
  }

  /** Looks at it anew. Whether it came, or has other addresses: who was told of them has to be told again. */
  look(): boolean {
    if (this.#socket && !this.#socket.isThere) this.#close();
    try {
      this.#open();
      const mac = this.#socket!.mac?.toHex();
      this.#addresses = this.addressesOf(this.name);
      const seen = [mac, ...this.#addresses.map((each) => each.toHex())].join();
      if (seen === this.#seen) return false;
      this.#seen = seen;
      return true;
    } catch (error) {
      this.#close(); // it may have gone just now
      const { message } = error as Error;
      if (message === this.#seen) return false;
      this.#seen = message;
      log("catch").warn(
        `${this.name}: nothing is caught there until that is mended: ${message}`,
      );
      return false;
    }
  }

  /** Asks everybody there who has the address, from the address that it has itself at this moment, if it has one. */
  ask(address: Octets): void {
    const all = this.#addresses;
    const own = address.length === 4
      ? all.find(({ length }) => length === 4) ?? new Uint8Array(4)
      : all.find(isLinkLocal);
    if (own !== undefined) this.send((mac) => questionFor(address, own, mac));
  }

  /**
   * Sends the frame that is made for the MAC address that it has at this moment. Whether there was one: without an
   * interface or a frame there is none. Throws `SystemError` where it cannot be sent now.
   */
  send(
    frameFrom: (mac: Octets) => Uint8Array<ArrayBuffer> | undefined,
  ): boolean {
    const mac = this.#socket?.mac;
    // A bridge that has lost its last port has no MAC address, and nobody who hears it.
    if (mac === undefined || isZero(mac)) return false;
    const frame = frameFrom(mac);
    if (frame === undefined) return false;
    this.#socket!.send(frame);
    return true;
  }

  #open(): void {
    this.#socket ??= new PacketSocket(this.name);
  }

  #close(): void {
    const closed = this.#socket?.[Symbol.asyncDispose]();
    this.#socket = undefined;
    this.#closing = Promise.all([this.#closing, closed]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await this.#closing;
  }
}

/** Whether it is an IPv6 address of one link, RFC 4291 section 2.5.6. */
function isLinkLocal({ length, 0: first, 1: second }: Octets): boolean {
  return length === 16 && first === 0xfe && (second & 0xc0) === 0x80;
}
