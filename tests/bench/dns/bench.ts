/**
 * How fast names are answered beside dnsmasq, unbound and NSD: names of our own that are ready, names that are
 * forwarded, and what is left of that when there is trouble elsewhere. Runs are interleaved; the numbers are medians.
 *
 * `deno task bench:dns [--rounds N] [--seconds N] [PART...]`, parts being `ready`, `forward` and `trouble`.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints results
import { parseArgs } from "@std/cli";
import { latencies, measure, medianOf, type Sample } from "./perf.ts";
import {
  DOMAIN,
  namesOf,
  startDnsmasq,
  startJitsu,
  startNsd,
  startUnbound,
  type Subject,
} from "./servers.ts";
import { measureTrouble } from "./trouble.ts";

const args = parseArgs(Deno.args, { string: ["rounds", "seconds"] });
const rounds = Number(args.rounds ?? 5), seconds = Number(args.seconds ?? 3);
const parts = args._.length > 0
  ? args._.map(String)
  : ["ready", "forward", "trouble"];

/** Queries a second at which latencies are taken, and for how many seconds. */
const CALM_RATE = 5000, CALM_SECONDS = 2;
/** Queries for names that no cache has yet, for each run. */
const COLD_QUERIES = 20_000;

const folder = await Deno.makeTempDir();

async function queryFile(
  name: string,
  names: readonly string[],
): Promise<string> {
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, names.map((each) => `${each} A\n`).join(""));
  return path;
}

/** In no order that a cache of the processor could like, and the same for all. */
function shuffled<T>(items: readonly T[]): T[] {
  const copy = [...items];
  for (let i = copy.length - 1, bits = 1; i > 0; i--) {
    bits = Math.imul(bits, 1664525) + 1013904223 >>> 0;
    const j = bits % (i + 1);
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

/** One line for each server: its numbers, and what Jitsu's are beside them. */
function report(
  title: string,
  subjects: Subject[],
  samples: Map<Subject, Sample[]>,
  calm?: Map<Subject, number[]>,
): void {
  console.log(`\n${title} (medians of ${samples.get(subjects[0])!.length})`);
  const jitsu = medianOf(samples.get(subjects[0])!);
  for (const subject of subjects) {
    const { rate, cpu, lost } = medianOf(samples.get(subject)!);
    const times = calm?.get(subject)?.map((each) => each.toFixed(3)).join(
      " / ",
    );
    console.log(
      [
        `  ${subject.name.padEnd(8)} ${
          Math.round(rate).toString().padStart(7)
        } queries/s`,
        `${cpu.toFixed(2).padStart(6)} us CPU`,
        `Jitsu's rate ${(jitsu.rate / rate).toFixed(2)} x, its CPU ${
          (jitsu.cpu / cpu).toFixed(2)
        } x`,
        ...lost > 0.0005 ? [`${(100 * lost).toFixed(1)} % lost`] : [],
        ...times ? [`p50 / p99 / p99.9 at ${CALM_RATE}/s: ${times} ms`] : [],
      ].join(", "),
    );
  }
}

/** Runs all subjects in turn, `rounds` times. */
async function interleave(
  subjects: Subject[],
  run: (subject: Subject, round: number) => Promise<Sample>,
): Promise<Map<Subject, Sample[]>> {
  const samples = new Map<Subject, Sample[]>(
    subjects.map((each) => [each, []]),
  );
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      samples.get(subject)!.push(await run(subject, round));
    }
  }
  return samples;
}

async function calmLatencies(
  subjects: Subject[],
  queries: string,
): Promise<Map<Subject, number[]>> {
  const calm = new Map<Subject, number[]>();
  for (const subject of subjects) {
    calm.set(
      subject,
      await latencies(subject, queries, CALM_RATE, CALM_SECONDS),
    );
  }
  return calm;
}

async function ready(count: number): Promise<void> {
  const names = namesOf(count);
  await using stack = new AsyncDisposableStack();
  const role = { own: names };
  const subjects: Subject[] = [
    stack.use(await startJitsu(role)),
    stack.use(await startDnsmasq(folder, role)),
    stack.use(await startUnbound(folder, role)),
    stack.use(await startNsd(folder, names)),
  ];
  const queries = await queryFile(`ready-${count}`, shuffled(names));
  // Every name once: what is made on first use is not what is measured.
  for (const subject of subjects) await measure(subject, queries);
  const samples = await interleave(
    subjects,
    (subject) => measure(subject, queries, seconds),
  );
  report(
    `${count} ready names`,
    subjects,
    samples,
    await calmLatencies(subjects, queries),
  );
}

async function forward(): Promise<void> {
  const names = namesOf(1000);
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startNsd(folder, names));
  const role = { own: [], upstream: upstream.port };
  const subjects: Subject[] = [
    stack.use(await startJitsu(role, "--cache-size=100000")),
    stack.use(await startDnsmasq(folder, role)),
    stack.use(await startUnbound(folder, role)),
  ];
  const queries = await queryFile("cached", shuffled(names));
  for (const subject of subjects) await measure(subject, queries);
  const cached = await interleave(
    subjects,
    (subject) => measure(subject, queries, seconds),
  );
  report(
    "forwarded, from the cache, 1000 names",
    subjects,
    cached,
    await calmLatencies(subjects, queries),
  );
  let next = 0;
  const cold = await interleave(subjects, async (subject) => {
    const fresh = Array.from(
      { length: COLD_QUERIES },
      () => `c${next++}.w.${DOMAIN}`,
    );
    return await measure(subject, await queryFile("cold", fresh));
  });
  report(
    `forwarded, ${COLD_QUERIES} names that are new each time`,
    subjects,
    cold,
  );
}

try {
  if (parts.includes("ready")) {
    for (const count of [1, 1000, 100_000]) await ready(count);
  }
  if (parts.includes("forward")) await forward();
  if (parts.includes("trouble")) {
    await measureTrouble(
      rounds,
      seconds,
      await queryFile("trouble", shuffled(namesOf(1000))),
    );
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
