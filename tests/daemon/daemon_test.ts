/**
 * The daemon's life: a start that fails leaves nothing behind, whichever part failed, and one that is told to stop does.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { readCommandLine } from "../../src/cli/read/command_line.ts";
import { runDaemon } from "../../src/daemon/daemon.ts";
import { SqliteStore } from "../../src/store/sqlite.ts";
import { TestDirectory } from "../backends/process/support.ts";
import { freePort, Jitsu } from "../e2e/harness.ts";

const CONFIG = "dns=www.test,ip=127.0.0.2,name=www,command=sleep 1000";

/** Runs the daemon in this process, where Deno tells what it leaves open; `before` takes what it needs. */
function failing(
  part: string,
  message: string,
  before: (dir: string, port: number) => {
    args?: string[];
    config?: string;
    backend?: string;
    taken?: Disposable | AsyncDisposable | Promise<AsyncDisposable>;
  },
): void {
  Deno.test(`a start that fails for ${part} leaves nothing behind`, async () => {
    using dir = new TestDirectory();
    const port = freePort();
    const { args = [], config = CONFIG, backend = "process", taken } = before(
      dir.path,
      port,
    );
    await using _taken = await taken;
    const request = readCommandLine([
      `--backend=${backend}`,
      "--forwarder=0.0.0.0",
      `--listen=${port}`,
      `--persistdb=${dir.path}/jitsu.db`,
      `--control=${dir.path}/control`,
      ...args,
      config,
    ]);
    assert(request.kind === "serve", JSON.stringify(request));
    const error = await assertRejects(() => runDaemon(request.options), Error);
    assert(error.message.includes(message), error.message);
    const info = await Deno.lstat(`${dir.path}/control`).catch(() => undefined);
    assert(!info?.isSocket, "the control socket is still there");
    if (taken) return;
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    await (await SqliteStore.open(`${dir.path}/jitsu.db`)).close();
  });
}

failing("a port that is taken", "the port is taken", (_dir, port) => ({
  taken: Deno.listen({ hostname: "127.0.0.1", port }),
}));
failing("a database that another has", "jitsu.db", (dir) => ({
  taken: SqliteStore.open(`${dir}/jitsu.db`).then((store) => ({
    [Symbol.asyncDispose]: () => store.close(),
  })),
}));
failing("an interface that is not there", "--catch", () => ({
  args: ["--connect=test:///default", "--catch=nosuch0"],
  backend: "libvirt",
  config: "dns=www.test,ip=127.0.0.2,name=test",
}));
failing("a control socket that is not to be had", "no socket", (dir) => {
  Deno.writeTextFileSync(`${dir}/control`, "");
  return {};
});
failing("a machine that is not there", "nosuch", () => ({
  config: "dns=www.test,ip=127.0.0.2,name=www,command=/nosuch/program",
}));

Deno.test("SIGTERM is obeyed while the backend is still being reached, and nothing is left", async () => {
  using dir = new TestDirectory();
  // A pool that takes the connection and says nothing.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const password = `${dir.path}/password`;
  Deno.writeTextFileSync(password, "secret", { mode: 0o600 });
  const starting = Jitsu.startIn(
    ["sh", "-c", `echo $$ > ${dir.path}/pid; exec "$@"`, "sh"],
    "--backend=xapi",
    `--connect=http://root@127.0.0.1:${listener.addr.port}`,
    `--xapi-password-file=${password}`,
    `--control=${dir.path}/control`,
    "dns=www.test,ip=127.0.0.2,name=www",
  ).catch((error) => error as Error);
  const first = await Promise.race([accepted, starting]);
  if (!("close" in first)) throw first;
  using _connection = first;
  const pid = Number(Deno.readTextFileSync(`${dir.path}/pid`));
  const began = performance.now();
  Deno.kill(pid, "SIGTERM");
  const outcome = await starting;
  assert(outcome instanceof Error, "it has started");
  assert(performance.now() - began < 10_000, "it took its time");
  assert(/SIGTERM: stopping[^]*stopped/.test(outcome.message), outcome.message);
  const left = [...Deno.readDirSync(dir.path)].map(({ name }) => name);
  assertEquals(left.sort(), ["password", "pid"]);
});
