/**
 * What --persistdb costs queries for ready names: rate and CPU time with it and without, one right after the other, again
 * and again, in alternating order. Each pair gives a ratio; their median is the result.
 *
 * `deno task bench:store`
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints results
import { Jitsu } from "../e2e/harness.ts";
import { TestFile } from "../store/support.ts";
import { until } from "../until.ts";
import { isAnswered, measure, medianOf, type Sample } from "./dns/perf.ts";
import { median } from "./measure.ts";

const UNIKERNELS = 10, NAMES_OF_EACH = 10, ROUNDS = 24, SECONDS = 2;
/** The rate with the database may be this much lower. */
const MAX_LOSS = 0.03;

const unikernels = Array.from({ length: UNIKERNELS }, (_, i) => ({
  name: `vm${i}`,
  dns: Array.from({ length: NAMES_OF_EACH }, (_, j) => `n${j}.vm${i}.example`),
}));
const names = unikernels.flatMap(({ dns }) => dns);
const options = [
  ...["-x", "process", "-f", "0.0.0.0", "-d", "0"],
  ...unikernels.map(({ name, dns }) =>
    [
      ...dns.map((each) => `dns=${each}`),
      `ip=192.0.2.1,name=${name},command=sleep infinity`,
    ].join()
  ),
];
using file = new TestFile();
const queries = `${file.directory}/queries`;
await Deno.writeTextFile(queries, names.map((name) => `${name} A\n`).join(""));

await using without = await Jitsu.start(...options);
await using withStore = await Jitsu.start(
  `--persistdb=${file.path}`,
  ...options,
);
for (const jitsu of [without, withStore]) {
  for (const { dns: [name] } of unikernels) {
    await until("an answer", () => isAnswered(jitsu.port, name));
  }
  await measure(jitsu, queries, SECONDS); // warms it up
}

const plain: Sample[] = [], stored: Sample[] = [];
for (let round = 0; round < ROUNDS; round++) {
  if (round % 2 === 0) plain.push(await measure(without, queries, SECONDS));
  stored.push(await measure(withStore, queries, SECONDS));
  if (round % 2 === 1) plain.push(await measure(without, queries, SECONDS));
}

/** The middle one of the rounds' ratios, and both numbers as text. */
function compare(what: keyof Sample, digits: number) {
  const ratio = median(stored.map((each, i) => each[what] / plain[i][what]));
  const [a, b] = [stored, plain]
    .map((samples) => medianOf(samples)[what].toFixed(digits));
  return { ratio, text: `${a}, without ${b}: ratio ${ratio.toFixed(3)}` };
}
const rate = compare("rate", 0), cpu = compare("cpu", 2);
console.log(`queries/s with --persistdb ${rate.text}`);
console.log(`us of processor time a query with --persistdb ${cpu.text}`);
if (rate.ratio < 1 - MAX_LOSS) {
  console.error(`more than ${100 * MAX_LOSS} % of the rate are lost`);
  Deno.exitCode = 1;
}
