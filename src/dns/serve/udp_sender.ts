/**
 * Responses that could not be given at once, sent in batches: those that come in one turn of the event loop leave
 * together.
 *
 * @module
 */
import { MAX_UDP_PAYLOAD } from "../wire/constants.ts";
import type { Libc } from "../../ffi/libc.ts";
import { sendSlots, setSockaddr, Slots } from "../../net/mmsg.ts";
import type { Peer } from "../../net/peer.ts";

/** The most packets sent at a time. */
const BATCH = 64;

/** See the module's comment. */
export class UdpSender {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #isV6: boolean;
  readonly #refused: (packet: Uint8Array, peer: Peer) => void;
  readonly #slots = new Slots(BATCH, MAX_UDP_PAYLOAD);
  /** Where the packets that wait go. */
  readonly #peers: Peer[] = [];

  /**
   * @param isV6 whether the socket is of that family
   * @param refused is given what the kernel does not take at once
   */
  constructor(
    libc: Libc,
    fd: number,
    isV6: boolean,
    refused: (packet: Uint8Array, peer: Peer) => void,
  ) {
    this.#libc = libc;
    this.#fd = fd;
    this.#isV6 = isV6;
    this.#refused = refused;
  }

  /** Sends a packet at the end of this turn, or sooner. The packet is copied; the peer must be one that can be kept. */
  send(packet: Uint8Array, peer: Peer): void {
    const slot = this.#peers.push(peer) - 1;
    if (slot === 0) queueMicrotask(() => this.flush());
    this.#slots.packets[slot].set(packet);
    setSockaddr(this.#slots.sockaddrs[slot], peer, this.#isV6);
    this.#slots.toSend(slot, packet.length);
    if (this.#peers.length === BATCH) this.flush();
  }

  /** Sends what waits. */
  flush(): void {
    const peers = this.#peers.splice(0), slots = this.#slots;
    sendSlots(this.#libc, this.#fd, slots, 0, peers.length, (slot) => {
      this.#refused(slots.packetToSend(slot), peers[slot]);
    });
  }
}
