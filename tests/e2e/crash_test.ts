/**
 * kill -9 of the whole daemon at random instants while it answers queries, and starts and stops processes: each daemon
 * goes on from what the one before left. JITSU_CRASHES sets how often (a tenth of it, for the daemon takes its time);
 * the store alone has its turn in tests/store/crash_test.ts.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { encode } from "dns-packet";
import { TestFile } from "../store/support.ts";
import { Jitsu } from "./harness.ts";

const CRASHES = Math.ceil(Number(Deno.env.get("JITSU_CRASHES") ?? 100) / 10);
/** How far the statistics may lag behind. */
const LAG_MS = 1000;
const NAMES = ["a", "b", "c"];

/** Asks for the names in turn, and notes when each was answered. */
class Load {
  sent = 0;
  /** Date.now() of each answer. */
  readonly answers: number[] = [];
  readonly #socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  readonly #over: Promise<unknown>;
  #stopped = false;

  constructor(port: number) {
    this.#over = Promise.all([this.#send(port), this.#receive()]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#socket.close();
    await this.#over;
  }

  async #send(port: number): Promise<void> {
    const to = { transport: "udp", hostname: "127.0.0.1", port } as const;
    while (!this.#stopped) {
      const query = encode({
        type: "query",
        id: this.sent & 0xffff,
        questions: [{ type: "A", name: `${NAMES[this.sent % 3]}.example.org` }],
      });
      this.sent++;
      await this.#socket.send(query, to).catch(() => {}); // it may be gone by now
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async #receive(): Promise<void> {
    try {
      for await (const [response] of this.#socket) {
        assertEquals(response[3] & 0xf, 0, "NOERROR");
        this.answers.push(Date.now());
      }
    } catch (error) {
      if (!this.#stopped) throw error;
    }
  }
}

/** What is stored, by a store of our own that lets go of it at once. */
async function look(file: TestFile) {
  const store = await file.open();
  const unikernels = await store.unikernels();
  const history = await store.history(100_000);
  await store.close();
  const names = unikernels.flatMap(({ statistics }) => statistics?.names ?? []);
  return {
    specs: unikernels.map(({ spec }) => spec),
    requests: names.reduce((sum, { requests }) => sum + requests, 0),
    lastRequest: Math.max(0, ...names.map((each) => each.lastRequest ?? 0)),
    history,
  };
}

Deno.test(`after kill -9 of the daemon at ${CRASHES} random instants the statistics lag by a second at most, and nothing else is lost`, async () => {
  using file = new TestFile();
  const specs = NAMES.map((name) =>
    `dns=${name}.example.org,ip=127.0.0.2,name=${name},command=sleep 1000,ttl=1`
  );
  const options = [
    ...["--backend=process", "--forwarder=0.0.0.0", "--delay=0"],
    `--persistdb=${file.path}`,
  ];
  let before = { requests: 0, events: 0 };
  for (let i = 0; i < CRASHES; i++) {
    const jitsu = await Jitsu.start(...options, ...(i === 0 ? specs : []));
    const load = new Load(jitsu.port);
    const time = 500 + Math.random() * 2000;
    await new Promise((resolve) => setTimeout(resolve, time));
    jitsu.kill("SIGKILL");
    const killed = Date.now();
    await jitsu.exited();
    await load.stop();

    const stored = await look(file);
    assertEquals(stored.specs, specs);
    const requests = stored.requests - before.requests;
    const old = load.answers.filter((time) => time < killed - LAG_MS);
    assert(
      old.length <= requests && requests <= load.sent,
      `${old.length} requests must be stored of ${load.sent}, ${requests} are`,
    );
    if (old.length > 0) assert(stored.lastRequest >= old.at(-1)! - 1);
    // Each was started by its query, or found gone with the daemon before.
    assert(stored.history.length >= before.events + NAMES.length);
    before = { requests: stored.requests, events: stored.history.length };
  }
  // deno-lint-ignore no-console -- the count is a result
  console.log(
    `${CRASHES} crashes of the daemon, ${before.requests} requests and ${before.events} events stored`,
  );
});
