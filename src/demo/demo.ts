/**
 * `deno task demo`: the whole story, played with the real program, a real process and real queries. Exits with 0 only
 * if all of it happened. Needs Deno and Linux, nothing else.
 *
 * @module
 */
import { forEachLine } from "../backends/process/output.ts";
import { write } from "../cli/output.ts";
import { ADDRESS, jitsuArguments, NAME } from "./website.ts";
import { delay } from "../wait.ts";

const TTL = 1;
/** How long each step may take. */
const PATIENCE_MS = 20_000;

const say = (text: string) => write(Deno.stdout, text + "\n");

/** Does one step of the story, and says what came of it and how long it took. */
async function step(
  title: string,
  action: () => Promise<string>,
): Promise<void> {
  const began = performance.now();
  const result = await action();
  const seconds = (performance.now() - began) / 1000;
  say(`${seconds.toFixed(3).padStart(8)} s  ${title.padEnd(14)} ${result}`);
}

/** Waits for `check` to give a value. */
async function until<T>(
  what: string,
  check: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end;) {
    const value = await check();
    if (value !== undefined) return value;
    await delay(10);
  }
  throw new Error(`waited ${PATIENCE_MS / 1000} s in vain for ${what}`);
}

function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: ADDRESS, port: 0 });
  return listener.addr.port;
}

const httpPort = freePort();
const url = `http://${ADDRESS}:${httpPort}/`;

async function webServerListens(): Promise<boolean> {
  try {
    using _connection = await Deno.connect({
      hostname: ADDRESS,
      port: httpPort,
    });
    return true;
  } catch (error) {
    const { ConnectionRefused, ConnectionReset } = Deno.errors;
    // Reset: it was ended just then.
    if (error instanceof ConnectionRefused) return false;
    if (error instanceof ConnectionReset) return false;
    throw error;
  }
}

async function query(dnsPort: number): Promise<string> {
  const addresses = await Deno.resolveDns(`${NAME}.`, "A", {
    nameServer: { ipAddr: "127.0.0.1", port: dnsPort },
  });
  expect(addresses.join() === ADDRESS, `${NAME} is ${addresses}?`);
  return `${NAME} is ${addresses}`;
}

/** Visits the web server. The result names its process, which `check` may object to. */
async function visit(check: (pid: number) => void): Promise<string> {
  const response = await fetch(url);
  const body = (await response.text()).trim();
  expect(response.status === 200, `HTTP ${response.status} from ${url}`);
  const pid = Number(/process (\d+)/.exec(body)?.[1]);
  expect(pid > 0, `${url} is another server: ${body}`);
  check(pid);
  return `HTTP ${response.status}: ${body}`;
}

async function play(jitsu: Deno.ChildProcess, log: string[]): Promise<void> {
  let dnsPort = 0;
  let first = 0;
  let second = 0;
  let exited = false;
  jitsu.status.then(() => exited = true);

  await step("Jitsu starts", async () => {
    dnsPort = await until("Jitsu to serve DNS", () => {
      expect(!exited, "Jitsu could not be started");
      const port = /serving DNS on 127\.0\.0\.1#(\d+)/.exec(log.join("\n"));
      return port ? Number(port[1]) : undefined;
    });
    return `DNS is served on 127.0.0.1, port ${dnsPort}`;
  });
  await step("nothing runs", async () => {
    expect(!await webServerListens(), `somebody else listens on ${url}`);
    return `${url} refuses connections`;
  });
  await step("cold query", () => query(dnsPort));
  await step("visit", () => visit((pid) => first = pid));
  await step("warm query", () => query(dnsPort));
  await step(
    "visit",
    () =>
      visit((pid) => expect(pid === first, "it was started anew for nothing")),
  );
  await step("idle", async () => {
    await until(
      "the web server to be stopped",
      async () => await webServerListens() ? undefined : true,
    );
    return `nobody asked for ${2 * TTL} s: process ${first} was stopped`;
  });
  await step("cold again", () => query(dnsPort));
  await step("visit", () =>
    visit((pid) => {
      second = pid;
      expect(pid !== first, "it was never stopped");
    }));
  await step("SIGTERM", async () => {
    jitsu.kill("SIGTERM");
    const { code } = await jitsu.status;
    expect(code === 0, `Jitsu exited with code ${code}`);
    expect(!await webServerListens(), "the web server still runs");
    return `Jitsu has exited, and process ${second} with it`;
  });
}

say(
  `Jitsu starts a web server when ${NAME} is asked for, answers once it can be visited, and stops it
when nobody has asked for 2 x TTL. The TTL is ${TTL} s here.
`,
);
const log: string[] = [];
const jitsu = new Deno.Command(Deno.execPath(), {
  args: [
    "run",
    "-A",
    new URL("../../main.ts", import.meta.url).pathname,
    ...jitsuArguments({ dnsPort: 0, httpPort, ttl: TTL }),
  ],
  stdin: "null",
  stderr: "piped",
}).spawn();
const logged = forEachLine(jitsu.stderr, (line) => log.push(line));
try {
  await play(jitsu, log);
  say("\nAll of it happened.");
} catch (error) {
  try {
    jitsu.kill("SIGTERM");
  } catch {
    // it has exited already
  }
  await logged;
  say(`\nIt went wrong: ${(error as Error).message}\n\n${log.join("\n")}`);
  Deno.exitCode = 1;
}
