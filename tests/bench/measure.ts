/**
 * What the benchmarks share: medians, a DNS client that times its answers, and numbers as text.
 *
 * @module
 */
import { Flag, Rcode, Type } from "../../src/dns/wire/constants.ts";
import { decodeMessage, encodeMessage } from "../../src/dns/wire/message.ts";
import { parseName } from "../../src/dns/wire/name.ts";

/** The middle one of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Milliseconds as text. */
export function ms(value: number): string {
  return `${value.toFixed(value < 100 ? 2 : 0)} ms`;
}

/** Prints a row of a table: what it is about, and its cells. */
export function printRow(what: string, ...cells: string[]): void {
  // deno-lint-ignore no-console -- what was measured
  console.log(
    what.padEnd(46) + cells.map((cell) => cell.padStart(11)).join(""),
  );
}

/** A query for a name's A record. */
export function addressQuery(name: string): Uint8Array {
  return encodeMessage({
    id: crypto.getRandomValues(new Uint16Array(1))[0],
    flags: Flag.RD,
    opcode: 0,
    rcode: 0,
    questions: [{ name: parseName(name), type: Type.A, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
  });
}

/** Asks for a name's A record and resolves with the milliseconds until the answer. Rejects for any other response. */
export async function timeQuery(
  server: { address: string; port: number },
  name: string,
): Promise<number> {
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  try {
    const packet = addressQuery(name);
    const start = performance.now();
    await socket.send(packet, {
      transport: "udp",
      hostname: server.address,
      port: server.port,
    });
    const [response] = await socket.receive();
    const time = performance.now() - start;
    const { rcode, answers } = decodeMessage(response);
    if (rcode !== Rcode.NOERROR || answers.length === 0) {
      throw new Error(`${name}: response code ${rcode}`);
    }
    return time;
  } finally {
    socket.close();
  }
}
