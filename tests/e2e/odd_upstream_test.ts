/**
 * The whole program between the real dig and an upstream server with odd habits.
 *
 * @module
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import {
  Flag,
  MAX_MESSAGE,
  Rcode,
  Type,
} from "../../src/dns/wire/constants.ts";
import type { Message } from "../../src/dns/wire/message.ts";
import { formatName } from "../../src/dns/wire/name.ts";
import { optRecord } from "../dns/queries.ts";
import {
  answer,
  failure,
  type Received,
  type ScriptedUpstream,
  startUpstream,
} from "../dns/upstream.ts";
import { canDig, Jitsu, runJitsu } from "./harness.ts";

const CONFIG =
  "dns=www.test,ip=127.0.0.2,name=www,response_delay=0,command=sleep infinity";

/** What the upstream server does with a query for a name that begins so. */
const HABITS: Record<string, (received: Received) => unknown> = {
  /** The second record's host is compressed against the first's, and the owners are not: copied, it leads elsewhere. */
  afs({ query, reply }) {
    const [{ name }] = query.questions;
    const header = [query.id >> 8, query.id & 0xff, 0x81, 0x80];
    const octets = [...header, 0, 1, 0, 2, 0, 0, 0, 0, ...name, 0, 18, 0, 1];
    const record = (host: number[]) => [
      ...name,
      ...[0, 18, 0, 1, 0, 0, 0, 60, 0, 2 + host.length, 0, 1],
      ...host,
    ];
    const label = (text: string) => [
      text.length,
      ...new TextEncoder().encode(text),
    ];
    const first = [...label("db1"), ...label("afs"), ...label("corp"), 0];
    octets.push(...record(first));
    const suffix = octets.length - first.length + 4;
    octets.push(...record([...label("db2"), 0xc0, suffix]));
    return reply(Uint8Array.from(octets));
  },
  /** It does not know EDNS for this name, and says so in twelve octets. */
  odd: ({ query, reply }) =>
    query.additionals.length === 0
      ? reply(answer(query))
      : reply({ ...failure(query, Rcode.FORMERR), questions: [] }),
  /** Small on the wire, large when it is spelled out. */
  dear({ query, transport, reply }) {
    if (transport === "udp") {
      const cut = { ...failure(query, Rcode.NOERROR) };
      return reply({ ...cut, flags: Flag.QR | Flag.TC });
    }
    return reply(dearReply(query));
  },
};

/** 64 KB: records that grow beyond where pointers lead to, then thousands that point to one long name. */
function dearReply({ id, questions: [{ name }] }: Message): Uint8Array {
  const octets = new Uint8Array(MAX_MESSAGE);
  octets.set([id >> 8, id & 0xff, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
  let length = 12, records = -1;
  const add = (...more: number[]) => {
    octets.set(more, length);
    length += more.length;
    records++;
  };
  const fixed = (type: number, size: number) => [
    ...[0, type, 0, 1, 0, 0, 0, 60, 0, size],
  ];
  const pointer = (at: number) => [0xc0 | at >> 8, at & 0xff];
  const nameOf = (octet: number) => [
    ...Array.from({ length: 126 }, () => [1, octet]).flat(),
    0,
  ];
  add(...name, 0, Type.A, 0, 1);
  const first = length;
  add(...nameOf(0x61), ...fixed(Type.A, 4), 1, 2, 3, 4);
  for (let i = 0; i < 80; i++) {
    const target = [0, 0, 0, 0, 0, 0, ...pointer(first)];
    add(0xc0, 12, ...fixed(Type.SRV, target.length), ...target);
  }
  const late = pointer(length);
  add(...nameOf(0x62), ...fixed(Type.A, 4), 1, 2, 3, 4);
  while (length + 14 <= MAX_MESSAGE) {
    add(...late, ...fixed(Type.NS, 2), ...late);
  }
  octets.set([records >> 8, records & 0xff], 6);
  return octets.subarray(0, length);
}

function startOdd(): ScriptedUpstream {
  return startUpstream((received) => {
    const { query, reply } = received;
    const name = formatName(query.questions[0].name).toLowerCase();
    const habit = HABITS[name.slice(0, name.search(/[0-9.]/))];
    if (habit !== undefined) return habit(received);
    const hasOpt = query.additionals.length > 0;
    const parts: Partial<Message> = {
      additionals: hasOpt ? [optRecord()] : [],
    };
    return reply(answer(query, undefined, parts));
  }, { tcp: true });
}

function test(
  name: string,
  fn: (
    jitsu: Jitsu,
    upstream: ScriptedUpstream,
    control: string,
  ) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !canDig,
    async fn() {
      const directory = await Deno.makeTempDir();
      const control = `--control=${directory}/control.sock`;
      try {
        await using upstream = startOdd();
        await using jitsu = await Jitsu.start(
          "--backend=process",
          ...["-f", "127.0.0.1", "-p", String(upstream.server.port)],
          control,
          CONFIG,
        );
        await fn(jitsu, upstream, control);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

const data = async (jitsu: Jitsu, name: string, type?: string) =>
  (await jitsu.dig(name, { type })).answers.map(({ data }) => data);

test("names that were compressed in records of later types come through whole (RFC 3597 section 4)", async (jitsu) => {
  assertEquals(await data(jitsu, "afs.example", "AFSDB"), [
    "1 db1.afs.corp.",
    "1 db2.afs.corp.",
  ]);
});

test(
  "names that a server answers oddly do not keep others from DNSSEC",
  async (jitsu, upstream, control) => {
    assertEquals(await data(jitsu, "plain.example"), ["192.0.2.80"]);
    for (let i = 0; i < 5; i++) {
      assertEquals(await data(jitsu, `odd${i}.example`), ["192.0.2.80"]);
    }
    await jitsu.dig("other.example", { args: ["+dnssec"] });
    const [opt] = upstream.received.at(-1)!.query.additionals;
    assert(opt !== undefined && opt.ttl !== 0, "no OPT record with DO");
    const { stdout } = await runJitsu("upstreams", "--json", control);
    const { domain, server, works, lacks } = JSON.parse(stdout);
    assertEquals([domain, server, works, lacks], [
      ".",
      upstream.server.name,
      true,
      [],
    ]);
  },
);

test("no reply of upstream's keeps a name that is ready waiting", async (jitsu) => {
  await jitsu.dig("www.test");
  const dear = jitsu.dig("dear.example");
  let worst = 0, done = false;
  dear.finally(() => done = true);
  while (!done) {
    const began = performance.now();
    await jitsu.dig("www.test");
    worst = Math.max(worst, performance.now() - began);
  }
  assertEquals((await dear).status, "SERVFAIL");
  assertLess(worst, 1000);
});
