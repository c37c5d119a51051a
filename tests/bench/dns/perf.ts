/**
 * Measuring a DNS server: dnsperf's queries per second and latencies, and the processor time that the server took.
 *
 * @module
 */
import { readProcessFile, readStat } from "../../../src/procfs.ts";
import { median } from "../measure.ts";

/** Clock ticks a second in /proc/PID/stat (sysconf(3), _SC_CLK_TCK); Linux has had no other number for ages. */
const TICKS = 100;

/** What one run came to. */
export interface Sample {
  /** Queries that were answered, a second. */
  rate: number;
  /** Microseconds of processor time that the server and its children took for each. */
  cpu: number;
  /** The share of queries that nobody answered. */
  lost: number;
}

/** Whether a server has an A record for a name. */
export async function isAnswered(port: number, name: string): Promise<boolean> {
  const { stdout } = await new Deno.Command("dig", {
    args: [
      "@127.0.0.1",
      "-p",
      String(port),
      "+tries=1",
      "+time=5",
      "+short",
      name,
    ],
  }).output();
  return /^[0-9.]+$/m.test(new TextDecoder().decode(stdout));
}

/** Seconds of processor time of a process and its children. */
function cpuSeconds(pid: number): number {
  const stat = readStat(pid);
  if (stat === undefined) return 0; // a child that has ended
  const children = (readProcessFile(pid, `task/${pid}/children`) ?? "")
    .split(" ");
  return stat.cpuTime / TICKS + children.filter((child) => child).map(Number)
    .reduce((sum, child) => sum + cpuSeconds(child), 0);
}

async function dnsperf(
  port: number,
  queries: string,
  ...args: string[]
): Promise<string> {
  const { stdout, stderr, success } = await new Deno.Command("dnsperf", {
    args: ["-s", "127.0.0.1", "-p", String(port), "-d", queries, ...args],
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (!success) {
    throw new Error(`dnsperf: ${text}${new TextDecoder().decode(stderr)}`);
  }
  return text;
}

/** Asks as fast as the server answers: for some seconds, or each query of the file once. */
export async function measure(
  { port, pid }: { port: number; pid: number },
  queries: string,
  seconds?: number,
): Promise<Sample> {
  const before = cpuSeconds(pid);
  const length = seconds === undefined ? ["-n", "1"] : ["-l", String(seconds)];
  const text = await dnsperf(port, queries, "-c", "4", ...length);
  const cpu = cpuSeconds(pid) - before;
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1]);
  const sent = number(/Queries sent:\s+([0-9]+)/),
    done = number(/Queries completed:\s+([0-9]+)/);
  const right = number(/NOERROR ([0-9]+)/);
  if (!(right >= 0.99 * done)) {
    throw new Error(`dnsperf: not all answers are NOERROR: ${text}`);
  }
  return {
    rate: number(/Queries per second:\s+([0-9.]+)/),
    cpu: 1e6 * cpu / done,
    lost: 1 - done / sent,
  };
}

/** Milliseconds from query to answer at a rate that all servers can bear: the 50th, 99th and 99.9th of hundred. */
export async function latencies(
  { port }: { port: number },
  queries: string,
  rate: number,
  seconds: number,
): Promise<number[]> {
  const text = await dnsperf(
    port,
    queries,
    "-c",
    "4",
    "-Q",
    String(rate),
    "-l",
    String(seconds),
    "-v",
  );
  // "> NOERROR h1.bench.example A 0.000071"
  const times = [...text.matchAll(/^> \S+ \S+ \S+ ([0-9.]+)$/gm)]
    .map(([, time]) => 1000 * Number(time)).sort((a, b) => a - b);
  return [0.5, 0.99, 0.999].map((share) =>
    times[Math.floor(share * times.length)]
  );
}

/** The medians of several runs. */
export function medianOf(samples: readonly Sample[]): Sample {
  return {
    rate: median(samples.map(({ rate }) => rate)),
    cpu: median(samples.map(({ cpu }) => cpu)),
    lost: median(samples.map(({ lost }) => lost)),
  };
}
