/**
 * What trouble with some names costs the others: a machine that takes long to start, an upstream server that is silent;
 * and the other way round, what a flood of queries over UDP does to TCP, to timers and to machines that are to start.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints results
import { addressQuery, median, ms, timeQuery } from "../measure.ts";
import { measure, medianOf, type Sample } from "./perf.ts";
import { namesOf, startJitsu } from "./servers.ts";

/** Queries a second that cause the trouble, or see what a flood does. */
const RATE = 20;
/** Machines that are off. */
const COLD = 400;

/** A UDP socket of loopback that is closed at the end. */
function listen(stack: DisposableStack): Deno.DatagramConn {
  return stack.adopt(
    Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 }),
    (socket) => socket.close(),
  );
}

/** Calls it {@linkcode RATE} times a second until it is disposed of. */
function often(call: () => void): Disposable {
  const timer = setInterval(call, 1000 / RATE);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Milliseconds from a query over TCP to its answer, the connection included. */
async function timeTcp(
  { port }: { port: number },
  name: string,
): Promise<number> {
  const query = addressQuery(name);
  const start = performance.now();
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(Uint8Array.of(0, query.length, ...query));
  const count = await conn.read(new Uint8Array(512));
  if (count === null) throw new Error("hung up on");
  return performance.now() - start;
}

const spread = (times: number[]) =>
  `median ${ms(median(times))}, worst ${
    ms(Math.max(...times))
  } of ${times.length}`;

/** Prints what is left of the rate on ready names, and what a flood on them leaves for others. */
export async function measureTrouble(
  rounds: number,
  seconds: number,
  queries: string,
): Promise<void> {
  using sockets = new DisposableStack();
  const silent = listen(sockets);
  const upstream = (silent.addr as Deno.NetAddr).port;
  await using subject = await startJitsu(
    { own: namesOf(1000), upstream },
    `--start-limit=${COLD + 1000}`,
    // It never listens: it is being started all the time.
    "dns=slow.example,ip=127.0.0.9,name=slow,wait_for_tcp=9,wait_required=1,wait_timeout=600,command=sleep inf",
    ...Array.from(
      { length: COLD },
      (_, i) =>
        `dns=c${i}.example,ip=192.0.2.7,name=c${i},ttl=3600,command=sleep inf`,
    ),
  );
  const address = { address: "127.0.0.1", port: subject.port };
  const socket = listen(sockets);
  const ask = (name: string) =>
    void socket.send(addressQuery(name), {
      transport: "udp",
      hostname: "127.0.0.1",
      port: subject.port,
    });

  let next = 0;
  const troubles: [string, (() => void) | undefined][] = [
    ["undisturbed", undefined],
    ["while a machine is being started", () => ask("slow.example")],
    ["while upstream is silent", () => ask(`x${next++}.elsewhere.example`)],
  ];
  const samples = troubles.map((): Sample[] => []);
  await measure(subject, queries, 1);
  for (let round = 0; round < rounds; round++) {
    for (const [i, [, cause]] of troubles.entries()) {
      using _trouble = cause && often(cause);
      samples[i].push(await measure(subject, queries, seconds));
    }
  }
  const undisturbed = medianOf(samples[0]);
  console.log(
    `\n1000 ready names with ${RATE} queries a second beside that cannot be answered (medians of ${rounds})`,
  );
  for (const [i, [what]] of troubles.entries()) {
    const { rate, cpu } = medianOf(samples[i]);
    console.log(
      `  ${what.padEnd(32)} ${Math.round(rate)} queries/s, ${
        (rate / undisturbed.rate).toFixed(3)
      } of undisturbed, ${cpu.toFixed(2)} us CPU`,
    );
  }

  const others: [string, () => Promise<number>][] = [
    ["a ready name over TCP", () => timeTcp(subject, namesOf(1)[0])],
    [
      "a machine that is started for it",
      () => timeQuery(address, `c${cold++}.example`),
    ],
  ];
  let cold = 0;
  console.log("\nquery to answer beside a flood over UDP");
  for (const [what, time] of others) {
    const calm: number[] = [], flooded: number[] = [];
    for (let i = 0; i < 2 * RATE; i++) calm.push(await time());
    const pending: Promise<void>[] = [];
    {
      using _others = often(() =>
        pending.push(time().then((each) => void flooded.push(each)))
      );
      await measure(subject, queries, seconds);
    }
    await Promise.all(pending);
    console.log(
      `  ${what}: ${spread(flooded)}; without the flood ${spread(calm)}`,
    );
  }
}
