/**
 * The daemon's log where nobody takes it: DNS, and the end of the daemon, do not depend on who reads its stderr.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encode } from "dns-packet";
import { until } from "../until.ts";
import { freePort, REPOSITORY } from "./harness.ts";

const NOERROR = 0;
/** Octets that a pipe takes while nobody reads it (pipe(7)). */
const PIPE = 65_536;

/** Starts a daemon on that port once the shell has done this with its stderr, a pipe. */
function start(port: number, before: string): Deno.ChildProcess {
  const program = `${before}; exec "$@"`;
  return new Deno.Command("sh", {
    args: [
      "-c",
      program,
      "sh",
      Deno.execPath(),
      "run",
      "-A",
      `${REPOSITORY}main.ts`,
      "--backend=process",
      "--forwarder=0.0.0.0",
      "--control=none",
      "--mode=shutdown",
      `--listen=${port}`,
      "dns=www.test,ip=127.0.0.2,name=www,command=sleep 1000",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

/** Asks for the name until there is an answer; resolves with its RCODE. */
function ask(port: number): Promise<number> {
  const query = encode({
    type: "query",
    id: 1,
    questions: [{ type: "A", name: "www.test" }],
  });
  const to = { transport: "udp", hostname: "127.0.0.1", port } as const;
  return until("an answer", async () => {
    const socket = Deno.listenDatagram({ ...to, port: 0 });
    const timer = setTimeout(() => socket.close(), 1000);
    try {
      await socket.send(query, to);
      const [response] = await socket.receive();
      socket.close();
      return response[3] & 0xf;
    } catch (error) {
      const isEarly = error instanceof Deno.errors.ConnectionRefused ||
        error instanceof Deno.errors.Interrupted;
      if (!isEarly) throw error;
    } finally {
      clearTimeout(timer);
    }
  });
}

/** Asks three times, and ends the daemon, in time. */
async function assertServesAndStops(daemon: Deno.ChildProcess, port: number) {
  for (let i = 0; i < 3; i++) assertEquals(await ask(port), NOERROR);
  const before = performance.now();
  daemon.kill("SIGTERM");
  const { code } = await daemon.status;
  assertEquals(code, 0);
  assert(performance.now() - before < 10_000, "SIGTERM was not obeyed in time");
}

/** The test, with a daemon that does not outlive it. */
function test(
  name: string,
  before: string,
  fn: (daemon: Deno.ChildProcess, port: number) => Promise<void>,
) {
  Deno.test(name, async () => {
    const port = freePort();
    const daemon = start(port, before);
    let isOver = false;
    daemon.status.then(() => isOver = true);
    try {
      await fn(daemon, port);
    } finally {
      if (!isOver) daemon.kill("SIGKILL");
      await daemon.status;
    }
  });
}

test(
  "a pipe at stderr that nobody reads keeps nobody from an answer, nor the daemon from its end",
  `head -c ${PIPE} /dev/zero >&2`,
  async (daemon, port) => {
    await assertServesAndStops(daemon, port);
    await daemon.stderr.cancel();
  },
);

test(
  "who reads the log late reads it from its beginning",
  `head -c ${PIPE} /dev/zero >&2`,
  async (daemon, port) => {
    assertEquals(await ask(port), NOERROR);
    const reading = new Response(daemon.stderr).text();
    await assertServesAndStops(daemon, port);
    const text = (await reading).slice(PIPE);
    assertStringIncludes(text, "serving DNS on");
    assertStringIncludes(text, "jitsu: stopped");
  },
);

test(
  "a disk that is full where stderr is keeps nobody from an answer",
  "exec 2>/dev/full",
  async (daemon, port) => {
    await daemon.stderr.cancel();
    await assertServesAndStops(daemon, port);
  },
);
