/**
 * Feeds the decoder, the responder and the running server with hostile packets made of real messages, and says what
 * came of it: what must not be, and what takes longer than its octets allow. Every packet is made of the seed and its own number: a finding tells both.
 *
 * `deno task fuzz [--seed N] [--packets N] [--from N] [--share N] [--resume FILE]`
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a script that talks to whoever runs it
import { parseArgs } from "@std/cli";
import { MAX_MESSAGE } from "../../src/dns/wire/constants.ts";
import { Finding } from "./check.ts";
import { makeCorpus } from "./corpus.ts";
import { expandingMessage } from "./expanding.ts";
import { checkReply, Client, InProcess } from "./in_process.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { Server } from "./server.ts";
import { clock, makeResponder, stubForwarder } from "./zone.ts";

const HELP = `deno task fuzz [OPTIONS]
  --seed N      what the packets are made of (default: the time)
  --packets N   how many (default: 1000000)
  --from N      the number of the first (default: 0)
  --share N     every Nth batch goes to the running server (default: 10; 0: none)
  --resume FILE go on where the run in FILE ended, and keep its state there
  --help        this`;

/** Packets from one look at the invariants of the whole to the next. */
const BATCH = 500;
/** Packets of a batch that go over one TCP connection; the others go over UDP. */
const OVER_TCP = 50;
/** Every so many packets there is a message that is much longer with its names spelled out. */
const EXPANDING = 100;
/** What those ask for: SRV of `x`. */
const QUESTION = Uint8Array.of(1, 0x78, 0, 0, 33, 0, 1);
/** Octets of a packet that are shown: all of it is made again with --packets 1. */
const MAX_SHOWN = 8192;
/** A run that finds this much has found enough. */
const MAX_FINDINGS = 20;

/** A run, as it is kept in the file of --resume. */
interface Run {
  seed: number;
  /** The number of the next packet. */
  next: number;
  /** Packets that went to the running server. */
  served: number;
  findings: { packet: number; what: string; octets: string }[];
}

const args = parseArgs(Deno.args, {
  string: ["seed", "packets", "from", "share", "resume"],
  boolean: ["help"],
});
if (args.help) {
  console.log(HELP);
  Deno.exit(0);
}

function readCount(
  name: "seed" | "packets" | "from" | "share",
  absent: number,
): number {
  const text = args[name];
  if (text === undefined) return absent;
  if (/^[0-9]{1,10}$/.test(text)) return Number(text);
  console.error(`--${name} is a whole number, not "${text}"`);
  Deno.exit(2);
}

function readRun(): Run {
  const fresh = {
    seed: readCount("seed", Date.now() % 0x1_0000_0000),
    next: readCount("from", 0),
    served: 0,
    findings: [],
  };
  if (args.resume === undefined) return fresh;
  try {
    return JSON.parse(Deno.readTextFileSync(args.resume));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return fresh;
    throw error;
  }
}

// Most packets are errors, whose stack nobody reads; a finding is looked at with --packets 1.
if (readCount("packets", Infinity) > 1) Error.stackTraceLimit = 0;

const run = readRun();
const share = readCount("share", 10);
const end = run.next + readCount("packets", 1_000_000);
const corpus = makeCorpus();
const forwarding = makeResponder(stubForwarder);
const target = new InProcess([
  new Client(makeResponder(), ["127.0.0.1", "192.0.2.7", "::1", "203.0.113.5"]),
  new Client(forwarding, ["127.0.0.1", "::ffff:192.0.2.8"]),
]);

function find(packet: number, error: unknown, octets: Uint8Array): void {
  if (!(error instanceof Finding)) throw error;
  run.findings.push({ packet, what: error.message, octets: octets.toHex() });
  const shown = octets.subarray(0, MAX_SHOWN).toHex();
  console.log(
    `FOUND by --seed ${run.seed} --from ${packet}: ${error.message}\n  ${shown}`,
  );
}

/** A message that grows when it is read. */
function feedExpanding(i: number): void {
  const random = new Random(run.seed, i);
  const size = random.pick([512, 4096, MAX_MESSAGE]);
  const packet = expandingMessage(QUESTION, size, random);
  try {
    checkReply(packet, QUESTION);
    packet[2] &= 0x7f; // the same as a query
    target.feed(packet, random);
  } catch (error) {
    find(i, error, packet);
  }
}

async function feedInProcess(from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const random = new Random(run.seed, i);
    const packet = mutate(corpus, random);
    try {
      target.feed(packet, random);
    } catch (error) {
      find(i, error, packet);
    }
    if (i % EXPANDING === 0) feedExpanding(i);
  }
  clock.now += 100;
  try {
    await target.settle();
  } catch (error) {
    find(from, error, new Uint8Array(0));
  }
}

async function feedServer(
  server: Server,
  from: number,
  to: number,
): Promise<void> {
  const made = Array.from(
    { length: to - from },
    (_, i) => mutate(corpus, new Random(run.seed, from + i)),
  );
  run.served += made.length;
  const overTcp = made.splice(0, OVER_TCP);
  try {
    for (let i = 0; i < made.length; i += 100) {
      await server.feedUdp(made.slice(i, i + 100));
    }
    await server.feedTcp(overTcp, new Random(run.seed, from));
    const [fault] = server.faults;
    if (fault !== undefined) throw new Finding(`the server's log: ${fault}`);
  } catch (error) {
    find(from, error, new Uint8Array(0));
  }
}

const mib = (octets: number) => `${(octets / 1048576).toFixed(1)} MiB`;

function memory(server: Server | undefined): string {
  const { heapUsed, rss } = Deno.memoryUsage();
  const its = server === undefined
    ? ""
    : `; the server's RSS ${mib(server.rss)}`;
  return `heap ${mib(heapUsed)}, RSS ${mib(rss)}${its}`;
}

const server = share > 0
  ? await Server.start(new Random(run.seed, -1))
  : undefined;
try {
  console.log(
    `seed ${run.seed}, packets ${run.next} to ${end}, ${corpus.length} messages in the corpus`,
  );
  const first = run.next, began = performance.now();
  let before = "";
  while (run.next < end && run.findings.length < MAX_FINDINGS) {
    const to = Math.min(end, run.next + BATCH);
    const toServer = server !== undefined &&
      Math.floor(run.next / BATCH) % share === share - 1;
    if (toServer) await feedServer(server, run.next, to);
    else await feedInProcess(run.next, to);
    run.next = to;
    if (args.resume !== undefined) {
      Deno.writeTextFileSync(args.resume, JSON.stringify(run));
    }
    // What is compiled and cached by then is there to stay.
    if (
      before === "" &&
      run.next - first >= Math.min(50_000, (end - first) / 2)
    ) {
      before = memory(server);
    }
    if (run.next % 1_000_000 === 0) {
      console.log(`${run.next} packets, ${memory(server)}`);
    }
  }
  try {
    await server?.settle();
  } catch (error) {
    find(run.next, error, new Uint8Array(0));
  }
  const seconds = (performance.now() - began) / 1000, count = run.next - first;
  console.log(`memory once warm: ${before}`);
  console.log(`memory at the end: ${memory(server)}`);
  if (server !== undefined) {
    console.log(
      `the running server took ${run.served} of them and answered ${server.answered} of the ${server.answerable} queries over UDP`,
    );
  }
  console.log(
    `${count} packets in ${seconds.toFixed(1)} s, ${
      Math.round(count / seconds)
    } a second, ${run.findings.length} findings`,
  );
} finally {
  await server?.[Symbol.asyncDispose]();
}
Deno.exit(run.findings.length === 0 ? 0 : 1);
