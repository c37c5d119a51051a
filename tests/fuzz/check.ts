/**
 * What must be true of every response, whatever the query was.
 *
 * @module
 */
import { decodeMessage } from "../../src/dns/wire/message.ts";
import {
  HEADER_SIZE,
  MAX_MESSAGE,
  MAX_UDP_PAYLOAD,
} from "../../src/dns/wire/constants.ts";

/** Something that must never be. */
export class Finding extends Error {
  override name = "Finding";
}

/** Fails with a {@linkcode Finding} unless it holds. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Finding(what);
}

/** Whether a packet is one that gets a response: it has a header, and is no response itself (RFC 8906 section 2). */
export function isAnswerable(packet: Uint8Array): boolean {
  return packet.length >= HEADER_SIZE && (packet[2] & 0x80) === 0;
}

/** The most octets of response to one octet of query over UDP, where the client has not shown who it is. */
const MAX_AMPLIFICATION = 10;

/** How a query came. */
export interface Way {
  transport: "udp" | "tcp";
  /** From this host, so that its address is not forged. */
  isLoopback: boolean;
}

function mostOctets(query: Uint8Array, { transport, isLoopback }: Way): number {
  if (transport === "tcp") return MAX_MESSAGE;
  if (isLoopback) return MAX_UDP_PAYLOAD;
  return Math.min(MAX_UDP_PAYLOAD, MAX_AMPLIFICATION * query.length);
}

/** Throws a {@linkcode Finding} where `response` is no proper response to `query`. */
export function checkResponse(
  query: Uint8Array,
  response: Uint8Array,
  way: Way,
): void {
  try {
    check(query, response, way);
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    throw new Finding(
      `${error.message}: query ${query.toHex()}, response ${response.toHex()}`,
    );
  }
}

function check(query: Uint8Array, response: Uint8Array, way: Way): void {
  must(isAnswerable(query), "a packet that is no query got a response");
  must(
    response.length <= mostOctets(query, way),
    `${query.length} octets got a response of ${response.length}`,
  );
  let message;
  try {
    message = decodeMessage(response);
  } catch (error) {
    throw new Finding(`a response cannot be decoded: ${error}`);
  }
  must((response[2] & 0x80) !== 0, "a response has no QR bit");
  must(
    response[0] === query[0] && response[1] === query[1],
    "a response has another ID",
  );
  must(
    (response[2] & 0x78) === (query[2] & 0x78),
    "a response has another opcode",
  );
  must(
    (response[3] & 0x40) === 0,
    "a response has the reserved bit set (RFC 1035 section 4.1.1)",
  );
  must(message.questions.length <= 1, "a response has several questions");
  const optCount = message.additionals.filter(({ type }) => type === 41).length;
  must(optCount <= 1, "a response has several OPT records");
  // The question is the only one of the query, and stands at its front there: no pointer can lead to it.
  const [question] = message.questions;
  if (question === undefined) return;
  const end = HEADER_SIZE + question.name.length + 4;
  for (let i = HEADER_SIZE; i < end; i++) {
    must(response[i] === query[i], "a response has another question");
  }
}
