/**
 * The client's end of a vchan: two rings in memory that another domain, the server, shares with this one, for a stream
 * of bytes each way (libxenvchan.h, xen/include/public/io/libxenvchan.h). Jitsu only writes.
 *
 * Nothing here waits for the other end, and nothing tells when that goes away: a server that closes its end marks the
 * rings, one that dies with its domain does not. What a vchan maps keeps the memory of a dead domain from being freed,
 * so whoever has one closes it when the domain goes.
 *
 * @module
 */
import { cString } from "../ffi/c_string.ts";
import { holding } from "../ffi/hold.ts";
import {
  type LibXenvchan,
  loadLibXenvchan,
  VchanError,
} from "./libxenvchan.ts";
import { MessageLog } from "./message_log.ts";

/** What became of a message: it is all in the ring; it was dropped, for lack of room there; or nobody reads any more. */
export type SendOutcome = "sent" | "full" | "closed";

export class VchanClient {
  private constructor(
    readonly vchan: LibXenvchan,
    readonly log: MessageLog,
    readonly control: Deno.PointerObject,
  ) {}

  /**
   * Connects to a server that is there. Rejects with {@linkcode VchanError} when there is none.
   *
   * @param domid the server's domain
   * @param path where in xenstore the server says how, in its keys `ring-ref` and `event-channel`; at most 49 bytes, or
   *   the library would cut it short
   */
  static async connect(domid: number, path: string): Promise<VchanClient> {
    const vchan = loadLibXenvchan();
    const log = new MessageLog(vchan);
    const name = cString(path);
    const control = await holding(
      [name],
      vchan.libxenvchan_client_init(log.logger, domid, name),
    );
    if (control !== null) return new VchanClient(vchan, log, control);
    const said = log.take().trim().replaceAll("\n", "; ");
    log.close();
    throw new VchanError(
      `cannot connect to the vchan at ${path}${
        said && `: ${said}`
      }; is its server gone?`,
    );
  }

  /** Whether the server has it open still, as far as the server could say. */
  get isOpen(): boolean {
    return this.vchan.libxenvchan_is_open(this.control) !== 0;
  }

  /** Sends all of the message or nothing. */
  send(message: Uint8Array<ArrayBuffer>): SendOutcome {
    if (!this.isOpen) return "closed";
    // libxenvchan_send would return where there is no room, but for a flag of its own ("blocking") that
    // libxenvchan_client_init leaves as malloc(3) found it. So it is called only when there is room.
    const room = this.vchan.libxenvchan_buffer_space(this.control);
    if (room < message.length) return "full";
    const sent = this.vchan.libxenvchan_send(
      this.control,
      message,
      BigInt(message.length),
    );
    return sent === message.length ? "sent" : "closed";
  }

  /** It must not be used any more. */
  async close(): Promise<void> {
    await this.vchan.libxenvchan_close(this.control);
    this.log.close();
  }
}
