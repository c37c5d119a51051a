/**
 * Who stands behind a name, and the address records that are its answer.
 *
 * Names with the same host share what is here, answers included: a hundred thousand names of a few machines have few
 * answers.
 *
 * @module
 */
import { parseAddress } from "../../net/address.ts";
import {
  type Answer,
  answerOf,
  questionPointer,
  record,
} from "../wire/records.ts";
import { Type } from "../wire/constants.ts";

/** Someone who can be made ready to be visited. */
export interface Summonable {
  /** Whether an answer may go out at once. Read for every query. */
  readonly ready: boolean;
  /** Whether {@linkcode summon} has it started, now: it is not on the way, and not left alone after a failure. */
  readonly wouldStart?: boolean;
  /**
   * Resolves when it is ready. Rejects with an Error whose message is fit to be shown to the client.
   *
   * @param cause which query asked, for the log
   */
  summon(cause: string): Promise<void>;
}

/** Where requests for the names of one host are noted. */
export interface Usage {
  /**
   * @param index of the name among those of the host
   * @param time milliseconds on the responder's clock
   */
  note(index: number, time: number): void;
}

/** One host behind some names. */
export interface Host {
  /** IPv4 and IPv6 addresses in text form. */
  addresses: readonly string[];
  /** Seconds. */
  ttl: number;
  summonable: Summonable;
  usage: Usage;
}

/** The hosts behind a name. */
export class Hosts {
  readonly all: readonly Host[];
  /** Seconds: the least of theirs, since an RRset has one TTL (RFC 2181 section 5.2); Infinity where there is none. */
  readonly ttl: number;
  #a: Answer | undefined;
  #aaaa: Answer | undefined;

  constructor(all: readonly Host[]) {
    this.all = all;
    this.ttl = Math.min(...all.map(({ ttl }) => ttl));
  }

  /** Whether all of them are ready. */
  get ready(): boolean {
    for (let i = 0; i < this.all.length; i++) {
      if (!this.all[i].summonable.ready) return false;
    }
    return true;
  }

  /** The addresses of all hosts. */
  get a(): Answer {
    return this.#a ??= this.addressesOf(this.all, Type.A);
  }
  get aaaa(): Answer {
    return this.#aaaa ??= this.addressesOf(this.all, Type.AAAA);
  }

  /** The addresses of some of the hosts. */
  addressesOf(
    hosts: readonly Host[],
    type: typeof Type.A | typeof Type.AAAA,
  ): Answer {
    const size = type === Type.A ? 4 : 16;
    const rdatas = hosts.flatMap((host) => host.addresses)
      .map((address) => parseAddress(address)!)
      .filter((octets) => octets.length === size);
    // Two hosts may share an address: an RRset has no duplicates (RFC 2181 section 5).
    const unique = [
      ...new Map(rdatas.map((octets) => [octets.join(), octets])).values(),
    ];
    return answerOf(
      unique.map((rdata) =>
        record(questionPointer(), type, this.ttl, [...rdata])
      ),
    );
  }
}

/** Of a name that has none. */
export const NO_HOSTS = new Hosts([]);
