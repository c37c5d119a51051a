/**
 * Hostile packets against the codec, the query reader and the responder in this process.
 *
 * @module
 */
import {
  Flag,
  MAX_MESSAGE,
  MAX_UDP_PAYLOAD,
} from "../../src/dns/wire/constants.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../src/dns/wire/message.ts";
import {
  formatName,
  hashName,
  NameError,
  nameKey,
  parseName,
  WireError,
} from "../../src/dns/wire/name.ts";
import { isLoopback } from "../../src/dns/serve/guard.ts";
import { resolutionOf } from "../../src/dns/forward/resolution.ts";
import { KnownPeer, type Peer } from "../../src/net/peer.ts";
import { QueryReader, Verdict } from "../../src/dns/wire/query.ts";
import { LATER, type Responder } from "../../src/dns/serve/responder.ts";
import { udpLimit } from "../../src/dns/wire/response.ts";
import type { Transport } from "../../src/dns/wire/transport.ts";
import { leastTime } from "../cpu_time.ts";
import { checkResponse, Finding, isAnswerable, must } from "./check.ts";
import type { Random } from "./random.ts";

/** What the codec says to a message that is none; anything else that it throws is a finding. */
function isExpected(error: unknown): boolean {
  return error instanceof WireError || error instanceof NameError;
}

/** Runs it; undefined where it says that its input is wrong, a {@linkcode Finding} where it fails otherwise. */
function attempt<T>(what: string, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (isExpected(error)) return undefined;
    if (error instanceof Finding) throw error;
    throw new Finding(`${what}: ${(error as Error).stack ?? error}`);
  }
}

/** Whether two messages say the same; a compressed name may have the case of an earlier one (RFC 4343 section 4). */
function isSame(one: Message, other: Message): boolean {
  const replacer = (_key: string, value: unknown) =>
    value instanceof Uint8Array ? nameKey(value) : value;
  return JSON.stringify(one, replacer) === JSON.stringify(other, replacer);
}

/** The most milliseconds for a message of 64 KB, and for any: others wait meanwhile. */
const MAX_MILLISECONDS = 20, FREE_MILLISECONDS = 5;
/** Fails where it takes longer than the octets of the packet allow, each time. */
function mustBeQuick(what: string, packet: Uint8Array, run: () => void): void {
  const most = Math.max(
    FREE_MILLISECONDS,
    MAX_MILLISECONDS * packet.length / MAX_MESSAGE,
  );
  const least = leastTime(() => attempt(what, run), most);
  must(
    least <= most,
    `${what} takes ${least.toFixed(1)} ms for ${packet.length} octets`,
  );
}

/** What comes from upstream is read and made ready to be given out in a time that its octets allow. */
export function checkReply(packet: Uint8Array, question: Uint8Array): void {
  mustBeQuick("a reply", packet, () => {
    const reply = decodeMessage(packet, "ignored");
    if (reply.questions.length !== 1) return; // no reply to any question
    const [{ type }] = reply.questions;
    resolutionOf(reply, { octets: question, type, flags: 0, dnssecOk: false });
  });
}

/** What can be decoded can be encoded, and decoded again to the same. */
function checkCodec(packet: Uint8Array): Message | undefined {
  const message = attempt("decodeMessage", () => decodeMessage(packet));
  if (message === undefined) return undefined;
  for (const { name } of message.questions) {
    const again = parseName(formatName(name));
    must(String(again) === String(name), `a name is not its text's: ${name}`);
  }
  const octets = attempt("encodeMessage", () => encodeMessage(message));
  if (octets === undefined) return message;
  const again = decodeMessage(octets);
  // Names that only their sender compresses may make a large one too long.
  const isCut = (again.flags & ~message.flags & Flag.TC) !== 0;
  must(!isCut || packet.length > 2048, "a small message does not fit");
  must(
    isCut || isSame(again, message),
    "a message is not the same encoded and decoded",
  );
  const cut = encodeMessage(message, 512);
  decodeMessage(cut);
  return message;
}

/** The query reader, which looks at less, agrees with the codec on what it looks at. */
function checkReader(
  reader: QueryReader,
  packet: Uint8Array,
  message: Message | undefined,
): void {
  mustBeQuick("a query", packet, () => reader.read(packet));
  const verdict = reader.read(packet);
  must(
    (verdict === Verdict.DROP) === !isAnswerable(packet),
    `the verdict is ${verdict}`,
  );
  if (verdict !== Verdict.ANSWER || message === undefined) return;
  const [{ name, type, class: klass }] = message.questions;
  must(
    reader.type === type && reader.class === klass,
    "the reader's question is another",
  );
  must(reader.hash === hashName(name), "the reader's hash is another");
  const opts = message.additionals.filter(({ type }) => type === 41);
  must(opts.length === (reader.edns ? 1 : 0), "the reader's OPT is another");
}

/** One responder, and who asks it. */
export class Client {
  readonly #responder: Responder;
  readonly #out = new Uint8Array(MAX_MESSAGE);
  readonly #peers: Peer[];
  /** What went wrong with responses that came later. */
  readonly late: unknown[] = [];

  constructor(responder: Responder, hostnames: string[]) {
    this.#responder = responder;
    this.#peers = hostnames.flatMap((hostname) =>
      Array.from(
        { length: 4 },
        (_, i) => new KnownPeer({ hostname, port: 5000 + i }),
      )
    );
  }

  /** Asks with a packet. */
  ask(packet: Uint8Array, random: Random): void {
    const name = random.below(4) === 0 ? "tcp" : "udp";
    const query = packet.slice(), peer = random.pick(this.#peers);
    const way = {
      transport: name,
      isLoopback: isLoopback(peer.octets),
    } as const;
    const transport: Transport = {
      label: name === "tcp" ? "TCP" : "",
      verified: name === "tcp",
      limit: (query) => name === "tcp" ? MAX_MESSAGE : udpLimit(query),
      send: (response) => {
        try {
          checkResponse(query, response, way);
        } catch (error) {
          this.late.push(error);
        }
      },
    };
    const out = name === "udp"
      ? this.#out.subarray(0, MAX_UDP_PAYLOAD)
      : this.#out;
    const before = this.#responder.waiting;
    const length = attempt(
      "respond",
      () => this.#responder.respond(packet, out, transport, peer),
    )!;
    if (length > 0) checkResponse(query, out.subarray(0, length), way);
    else if (length === LATER) {
      must(
        this.#responder.waiting === before + 1,
        "a response that comes later is not counted",
      );
    }
  }

  /** Waits for what comes later; throws what was wrong with it. */
  async settle(): Promise<void> {
    await this.#responder.idle();
    must(this.#responder.waiting === 0, "queries wait for ever");
    const [wrong] = this.late.splice(0);
    if (wrong !== undefined) throw wrong;
  }
}

/** Feeds packets to the codec, to the reader and to clients in turn. */
export class InProcess {
  readonly #reader = new QueryReader();
  readonly #clients: Client[];

  constructor(clients: Client[]) {
    this.#clients = clients;
  }

  /** Throws a {@linkcode Finding}. */
  feed(packet: Uint8Array, random: Random): void {
    const copy = packet.slice();
    const message = checkCodec(packet);
    checkReader(this.#reader, packet, message);
    for (const client of this.#clients) client.ask(packet, random);
    must(packet.every((octet, i) => octet === copy[i]), "a packet was changed");
  }

  async settle(): Promise<void> {
    for (const client of this.#clients) await client.settle();
  }
}
