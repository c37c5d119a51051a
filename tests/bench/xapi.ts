/**
 * What a pool of thousands of VMs costs: the time until Jitsu serves, its memory, and a cold start, with one, with many and
 * with all of its VMs configured. Beside it what reading the records of the whole pool would cost.
 *
 * `deno task bench:xapi`
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints results
import { ReplyReader } from "../../src/backends/xapi/reply_reader.ts";
import { encodeCall, type Value } from "../../src/backends/xapi/xmlrpc.ts";
import { PASSWORD, USER } from "../backends/xapi/fake/server.ts";
import { withFile } from "../backends/xapi/set_up.ts";
import { forEachLine } from "../../src/backends/process/output.ts";
import { REPOSITORY } from "../e2e/harness.ts";
import { median, ms, timeQuery } from "./measure.ts";

function decode(text: string): Value {
  const reader = new ReplyReader();
  reader.push(text);
  return reader.end();
}

const VMS = 5000, CONFIGURED = [1, 100, VMS], COLD_STARTS = 20;

/** A field of /proc/PID/status in MB: VmRSS is the memory now, VmHWM the most it ever was. */
function memory(pid: number, field: "VmRSS" | "VmHWM"): string {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const [, kib] = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)!;
  return `${Math.round(Number(kib) * 1024 / 1e6)} MB`;
}

/** Reads the records of all VMs in one call, as we do not; says what that took. */
async function readAll(url: string): Promise<void> {
  const call = async (method: string, ...params: string[]) => {
    const body = encodeCall(method, params);
    return await (await fetch(url, { method: "POST", body })).text();
  };
  const login = await call("session.login_with_password", USER, PASSWORD);
  const { Value: session } = decode(login) as { Value: string };
  const before = performance.now();
  const text = await call("VM.get_all_records", session);
  const received = performance.now();
  decode(text);
  const decoded = performance.now();
  console.log(
    `reading all records in one call instead: ${
      (text.length / 1e6).toFixed(0)
    } MB of XML, received in ${ms(received - before)}, decoded in ${
      ms(decoded - received)
    }, ${memory(Deno.pid, "VmHWM")} at the most`,
  );
}

/** Starts Jitsu and waits for as long as it takes until it serves. */
async function start(args: string[]) {
  const jitsu = run(`${REPOSITORY}main.ts`, ...args);
  const serves = Promise.withResolvers<{ address: string; port: number }>();
  const reading = forEachLine(jitsu.stderr, (line) => {
    const [, address, port] = /serving DNS on ([^ ]+)#(\d+)/.exec(line) ?? [];
    if (port) serves.resolve({ address, port: Number(port) });
  });
  reading.then(() => serves.reject(new Error("it did not start")));
  return { jitsu, server: await serves.promise };
}

async function measure(
  url: string,
  password: string,
  configured: number,
): Promise<void> {
  const began = performance.now();
  const { jitsu, server } = await start([
    ...["-x", "xapi", "-c", url, "-f", "0.0.0.0", "-l", "0", "-d", "0"],
    ...["-t", "3600", "--xapi-password-file", password],
    ...Array.from(
      { length: configured },
      (_, i) => `dns=vm${i}.test,ip=192.0.2.1,name=vm${i}`,
    ),
  ]);
  const served = performance.now() - began;
  const now = memory(jitsu.pid, "VmRSS"), most = memory(jitsu.pid, "VmHWM");
  const cold: number[] = [];
  // From the last one down: those are not running yet.
  for (let i = 1; i <= Math.min(configured, COLD_STARTS); i++) {
    cold.push(await timeQuery(server, `vm${configured - i}.test`));
  }
  jitsu.kill();
  await jitsu.status;
  console.log(
    `${configured} of ${VMS} VMs configured: serves after ${
      ms(served)
    }, ${now} then, ${most} at the most; ` +
      `a cold query is answered in ${
        ms(median(cold))
      } (median of ${cold.length})`,
  );
}

function run(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...args],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

const [mode, url] = Deno.args;
if (mode === "--read-all") await readAll(url);
else {
  const folder = `${REPOSITORY}tests`;
  // Its tasks take 4 ms, the least they can.
  const fake = run(`${folder}/backends/xapi/fake/main.ts`, String(VMS));
  const reader = fake.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const url = (await reader.read()).value!.trim();
  try {
    await withFile(PASSWORD, async (password) => {
      for (const configured of CONFIGURED) {
        await measure(url, password, configured);
      }
    });
    const { stdout } = await run(`${folder}/bench/xapi.ts`, "--read-all", url)
      .output();
    console.log(new TextDecoder().decode(stdout).trim());
  } finally {
    fake.kill();
    await fake.status;
  }
}
