/**
 * Queries per second on ready names, beside dnsmasq with the same names: dnsperf, one after the other, again and again.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints results
import { freePort, Jitsu } from "../e2e/harness.ts";
import { until } from "../until.ts";
import { dig } from "../e2e/harness.ts";
import { median } from "./measure.ts";

const NAMES = 100, ROUNDS = 5, SECONDS = 3;

async function dnsperf(port: number, queries: string): Promise<number> {
  const { stdout } = await new Deno.Command("dnsperf", {
    args: [
      "-s",
      "127.0.0.1",
      "-p",
      String(port),
      "-d",
      queries,
      "-l",
      String(SECONDS),
    ],
  }).output();
  const text = new TextDecoder().decode(stdout);
  const rate = /Queries per second:\s+([0-9.]+)/.exec(text);
  if (rate === null || !/NOERROR [0-9]+ \(100.00%\)/.test(text)) {
    throw new Error(`dnsperf: ${text}`);
  }
  return Number(rate[1]);
}

const names = Array.from({ length: NAMES }, (_, i) => `vm${i}.example.org`);
const folder = await Deno.makeTempDir();
const queries = `${folder}/queries`;
await Deno.writeTextFile(queries, names.map((name) => `${name} A\n`).join(""));

// One machine that runs, behind all the names.
await using jitsu = await Jitsu.start(
  ...["-x", "process", "-f", "0.0.0.0", "-d", "0"],
  [
    ...names.map((name) => `dns=${name}`),
    "ip=192.0.2.1",
    "name=vm",
    "command=sleep infinity",
  ].join(),
);
const port = freePort();
const dnsmasq = new Deno.Command("dnsmasq", {
  args: [
    ...[
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--bind-interfaces",
    ],
    ...[
      "--listen-address=127.0.0.1",
      `--port=${port}`,
      "--pid-file",
      "--user=",
    ],
    ...names.map((name) => `--address=/${name}/192.0.2.1`),
  ],
}).spawn();
try {
  for (const server of [jitsu, { address: "127.0.0.1", port }]) {
    await until(
      "it answers",
      async () => (await dig(server, names[0])).answers.length === 1,
    );
  }
  const ours: number[] = [], theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await dnsperf(jitsu.port, queries));
    theirs.push(await dnsperf(port, queries));
  }
  console.log(
    `ready names: ${median(ours).toFixed(0)} queries/s, dnsmasq ${
      median(theirs).toFixed(0)
    }: ` +
      `${
        (median(ours) / median(theirs)).toFixed(2)
      } times (medians of ${ROUNDS}, ${NAMES} names)`,
  );
} finally {
  dnsmasq.kill();
  await dnsmasq.status;
  await Deno.remove(folder, { recursive: true });
}
