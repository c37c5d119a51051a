/**
 * The operator's commands, on the real program: while it serves, and against clients that do harm.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ControlClient } from "../../src/control/client.ts";
import {
  type CommandName,
  MAX_REQUEST,
  type Request,
  type UnikernelStatus,
} from "../../src/control/protocol.ts";
import { Rcode, Type } from "../../src/dns/wire/constants.ts";
import { decodeMessage, encodeMessage } from "../../src/dns/wire/message.ts";
import { formatAddress } from "../../src/net/address.ts";
import { parseName } from "../../src/dns/wire/name.ts";
import {
  contentOf,
  lives,
  TestDirectory,
} from "../backends/process/support.ts";
import { until } from "../until.ts";
import { canDig, Jitsu, runJitsu } from "./harness.ts";

function test(
  name: string,
  fn: (dir: TestDirectory, control: string) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !canDig,
    async fn() {
      using dir = new TestDirectory();
      await fn(dir, `${dir.path}/run/control.sock`);
    },
  });
}

function start(control: string, ...args: string[]): Promise<Jitsu> {
  return Jitsu.start(
    ...["--backend=process", "--forwarder=0.0.0.0", "--delay=0"],
    `--control=${control}`,
    ...args,
  );
}

const config = (name: string, ip = "127.0.0.2", command = "sleep 1000") =>
  `dns=${name}.test,ip=${ip},name=${name},command=${command}`;

/** Runs a command, which must succeed; what it prints. */
async function done(control: string, ...words: string[]): Promise<string> {
  const [command, ...others] = words;
  const { code, stdout, stderr } = await runJitsu(
    command,
    `--control=${control}`,
    ...others,
  );
  assertEquals([code, stderr], [0, ""], words.join(" "));
  return stdout;
}

/** Runs a command, which must fail with that exit code; what it says. */
async function refused(code: number, control: string, ...words: string[]) {
  const [command, ...others] = words;
  const outcome = await runJitsu(command, `--control=${control}`, ...others);
  assertEquals([outcome.code, outcome.stdout], [code, ""], words.join(" "));
  return outcome.stderr;
}

/** Asks over a connection, without a process for it. */
async function ask<C extends CommandName>(
  client: ControlClient,
  request: Request<C>,
): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of client.call(request)) items.push(item);
  return items;
}

/** Keeps asking for names' addresses, several queries at a time; what was answered, by name. */
class Flood {
  readonly answers = new Map<string, Set<string>>();
  asked = 0;
  answered = 0;
  #over = false;
  readonly #socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  readonly #free = Array.from({ length: 32 }, (_, i) => i);
  #receiving: Promise<void>;

  constructor(readonly jitsu: Jitsu, readonly names: readonly string[]) {
    for (const name of names) this.answers.set(name, new Set());
    this.#receiving = this.#receive();
    while (this.#free.length > 0) this.#ask();
  }

  #ask(): void {
    const id = this.#free.pop()!;
    const name = this.names[id % this.names.length];
    this.asked++;
    const query = encodeMessage({
      id,
      flags: 0,
      opcode: 0,
      rcode: 0,
      questions: [{ name: parseName(name), type: Type.A, class: 1 }],
      answers: [],
      authorities: [],
      additionals: [],
    });
    const { address, port } = this.jitsu;
    this.#socket.send(query, { transport: "udp", hostname: address, port });
  }

  async #receive(): Promise<void> {
    for await (const [packet] of this.#socket) {
      const { id, rcode, answers } = decodeMessage(packet);
      const text = rcode === Rcode.NOERROR
        ? answers.map(({ rdata }) => formatAddress(rdata)).join()
        : `RCODE ${rcode}`;
      this.answers.get(this.names[id % this.names.length])!.add(text);
      this.answered++;
      this.#free.push(id);
      if (!this.#over) this.#ask();
    }
  }

  /** Ends it; every query must have been answered. */
  async end(): Promise<void> {
    this.#over = true;
    await until(
      "every query to be answered",
      () => this.answered === this.asked,
    );
    this.#socket.close();
    await this.#receiving;
  }
}

test(
  "unikernels come, change and go under a flood of queries, and none of them is dropped",
  async (_, control) => {
    await using jitsu = await start(
      control,
      "--start-limit=1000000",
      config("stays", "127.0.0.2"),
      config("changes", "127.0.0.3"),
    );
    await done(control, "start", "stays");
    await done(control, "start", "changes");
    using client = await ControlClient.connect(control);
    const flood = new Flood(jitsu, [
      "stays.test",
      "changes.test",
      "comes.test",
    ]);
    try {
      for (let i = 0; i < 100; i++) {
        const ip = `127.0.0.${i % 2 ? 3 : 4}`;
        const spec = config("changes", ip);
        await ask(client, { command: "add", spec, replace: true });
        await ask(client, { command: "add", spec: config("comes") });
        // Until somebody has seen it come.
        await until(
          "the new name to be answered",
          () => flood.answers.get("comes.test")!.has("127.0.0.2"),
        );
        await ask(client, { command: "remove", name: "comes", stop: true });
      }
    } finally {
      await flood.end();
    }
    assertEquals([...flood.answers.get("stays.test")!], ["127.0.0.2"]);
    assertEquals(
      [...flood.answers.get("changes.test")!].sort(),
      ["127.0.0.3", "127.0.0.4"],
    );
    const seen = flood.answers.get("comes.test")!;
    // That it is stopped because it is removed is told to whoever waits at that moment.
    seen.delete(`RCODE ${Rcode.SERVFAIL}`);
    assertEquals([...seen].sort(), ["127.0.0.2", `RCODE ${Rcode.NXDOMAIN}`]);
    assert(flood.asked > 1000, `only ${flood.asked} queries`);
  },
);

test(
  "status tells how a unikernel is, as a table and as JSON",
  async (_, control) => {
    await using jitsu = await start(control, config("www"), config("other"));
    await jitsu.dig("www.test");
    await jitsu.dig("www.test");

    const table = (await done(control, "status")).split("\n");
    assertMatch(table[0], /^NAME +STATE +SINCE +STOPS IN +STARTS +REQUESTS/);
    assertMatch(
      table.find((line) => line.startsWith("www"))!,
      /^www +ready +\d.* s +(1 min \d+ s|2 min) +1 +2 +0\.\d s +127\.0\.0\.2$/,
    );
    assert(
      table.some((line) => /^ {2}www\.test: asked for 2 times, /.test(line)),
    );
    assert(table.includes("  other.test: never asked for"));

    const status: UnikernelStatus = JSON.parse(
      await done(control, "status", "--json", "www"),
    );
    assertEquals(
      [status.name, status.state, status.requests, status.starts],
      ["www", "ready", 2, 1],
    );
    assertEquals(status.spec, config("www"));
    assert(Math.abs(status.dns[0].lastRequest! - Date.now()) < 60_000);
    assertEquals(
      (await done(control, "status", "--names")).split("\n").sort(),
      ["", "other", "www"],
    );
    assertMatch(
      await refused(1, control, "status", "wwww"),
      /^jitsu: there is no unikernel wwww: jitsu status lists them\n$/,
    );
  },
);

test(
  "start waits until it is ready, stop until it is stopped, in the mode that is asked for",
  async (dir, control) => {
    const file = `${dir.path}/pid`;
    const command = `sh -c 'echo $$ >${file}; exec sleep 1000'`;
    await using _jitsu = await start(
      control,
      config("www", "127.0.0.2", command),
    );
    assertEquals(await done(control, "start", "www"), "www: ready\n");
    const pid = Number(await contentOf(file));
    assertEquals(
      await done(control, "stop", "www", "--mode=suspend"),
      "www: paused\n",
    );
    assert(lives(pid));
    assertEquals(await done(control, "start", "www"), "www: ready\n");
    assertEquals(await done(control, "stop", "www"), "www: off\n");
    assert(!lives(pid));
    assertMatch(
      await refused(1, control, "stop", "www", "--mode=x"),
      /--mode "x" is not one of/,
    );

    const history = (await done(control, "history", "www")).trimEnd().split(
      "\n",
    );
    assertEquals(
      history.slice(1).map((line) => /www: (.* -> \w+)/.exec(line)?.[1]),
      [
        "off -> starting",
        "starting -> ready",
        "ready -> stopping",
        "stopping -> paused",
        "paused -> starting",
        "starting -> ready",
        "ready -> stopping",
        "stopping -> off",
      ],
    );
    const last = JSON.parse(
      await done(control, "history", "--json", "--limit=1"),
    );
    assertEquals([last.to, last.origin], ["off", "operator"]);
  },
);

test(
  "a start that fails is told with the reason, and is tried again at once where the operator asks",
  async (_, control) => {
    await using _jitsu = await start(
      control,
      `${
        config("www", "127.0.0.2", "sh -c 'exit 3'")
      },wait_for_tcp=9,wait_timeout=600`,
    );
    for (let i = 0; i < 2; i++) {
      assertMatch(
        await refused(2, control, "start", "www"),
        /^jitsu: www could not be started: .*exited with code 3/,
      );
    }
    const [, , reason] = (await done(control, "status", "www")).split("\n");
    assertEquals(reason.startsWith("  www"), true);
  },
);

test(
  "what is added is served, what is removed is not, and its process goes on unless told otherwise",
  async (dir, control) => {
    const file = `${dir.path}/pid`;
    const command = `sh -c 'echo $$ >${file}; exec sleep 1000'`;
    const www = config("www", "127.0.0.2", command);
    await using jitsu = await start(control, config("other"));
    assertEquals(await done(control, "add", www), "www: added\n");
    assertEquals((await jitsu.dig("www.test")).status, "NOERROR");
    const pid = Number(await contentOf(file));
    assertMatch(
      await refused(1, control, "add", config("www")),
      /there is a unikernel www already: .*--replace/,
    );
    assertMatch(
      await refused(1, control, "add", "dns=x.test,ip=x,name=x,comand=y"),
      /key comand is unknown; did you mean command\?\n.*\n.*ip "x" is not/,
    );
    assertMatch(
      await refused(
        2,
        control,
        "add",
        config("x", "127.0.0.2", "/nonexistent"),
      ),
      /no such file/,
    );

    assertEquals(await done(control, "remove", "www"), "www: removed\n");
    assertEquals((await jitsu.dig("www.test")).status, "NXDOMAIN");
    assert(lives(pid));
    // It is found running, and answered for at once.
    await done(control, "add", www);
    assertEquals((await jitsu.dig("www.test")).status, "NOERROR");
    assertEquals(Number(await contentOf(file)), pid);
    await done(control, "remove", "www", "--stop");
    assert(!lives(pid));
    assertMatch(await refused(1, control, "remove", "www"), /no unikernel www/);
  },
);

test(
  "a query that waits for a unikernel which is removed meanwhile is answered",
  async (_, control) => {
    await using jitsu = await start(
      control,
      `${config("www")},response_delay=3`,
    );
    const waiting = jitsu.dig("www.test");
    await jitsu.logged(/www: started in/);
    await done(control, "remove", "www");
    const { status, answers } = await waiting;
    assertEquals([status, answers[0]?.data], ["NOERROR", "127.0.0.2"]);
  },
);

test(
  "what an operator changes is still there after kill -9",
  async (dir, control) => {
    const database = `--persistdb=${dir.path}/db`;
    {
      await using jitsu = await start(control, database, config("www"));
      await done(control, "add", config("added"));
      await done(control, "remove", "www");
      jitsu.kill("SIGKILL");
      await jitsu.exited();
    }
    await using _jitsu = await start(control, database);
    assertEquals(await done(control, "status", "--names"), "added\n");
  },
);

test(
  "the database of a daemon that does not run is looked at and changed by the same commands",
  async (dir, control) => {
    const database = `--persistdb=${dir.path}/db`;
    const none = await runJitsu("status", database);
    assertEquals([none.code, none.stdout], [2, ""]);
    assertMatch(none.stderr, /no daemon runs, and there is no database/);
    {
      await using jitsu = await start(control, database, config("www"));
      await jitsu.dig("www.test");
      await jitsu.stop();
    }
    const { stdout } = await runJitsu("status", "--json", database);
    const status: UnikernelStatus = JSON.parse(stdout);
    assertEquals([status.name, status.requests, status.starts], ["www", 1, 1]);
    assertEquals(status.addresses, ["127.0.0.2"]);

    const added = await runJitsu(
      ...["add", database, "-x", "process", config("added")],
    );
    assertEquals(added, { code: 0, stdout: "added: added\n", stderr: "" });
    await runJitsu("remove", database, "www");
    const history = await runJitsu("history", database, "www");
    assertMatch(history.stdout, / www: removed \(operator: jitsu remove\)\n$/);
    const start_ = await runJitsu("start", database, "added");
    assertEquals(start_.code, 2);
    assertMatch(start_.stderr, /^jitsu: start: no daemon runs that has /);

    await using jitsu = await start(control, database);
    assertEquals((await jitsu.dig("added.test")).status, "NOERROR");
    assertEquals(await done(control, "status", "--names"), "added\n");
  },
);

test(
  "the control socket is its user's alone, and is gone with the daemon",
  async (_, control) => {
    await using jitsu = await start(control, config("www"));
    const mode = (path: string) => Deno.statSync(path).mode! & 0o777;
    assertEquals(mode(control), 0o600);
    assertEquals(mode(control.replace(/\/[^/]*$/, "")), 0o700);
    await jitsu.stop();
    assertMatch(
      await refused(2, control, "status"),
      /^jitsu: no daemon at .*control\.sock: it does not run/,
    );
  },
);

test(
  "a socket that another daemon has is left to it; one that a killed daemon left is taken",
  async (_, control) => {
    {
      await using first = await start(control, config("www"));
      const second = await runJitsu(
        ...["-x", "process", "--listen=0", `--control=${control}`],
        config("www"),
      );
      assertEquals(second.code, 2);
      assertMatch(second.stderr, /another daemon has it; choose another/);
      assertEquals(await done(control, "status", "--names"), "www\n");
      first.kill("SIGKILL");
      await first.exited();
      assert(Deno.lstatSync(control).isSocket);
    }
    await using _jitsu = await start(control, config("next"));
    assertEquals(await done(control, "status", "--names"), "next\n");
  },
);

test("a file that is no socket is not touched", async (dir) => {
  const path = `${dir.path}/notes`;
  Deno.writeTextFileSync(path, "mine");
  const { code, stderr } = await runJitsu(
    ...["-x", "process", "--listen=0", `--control=${path}`],
    config("www"),
  );
  assertEquals(code, 2);
  assertMatch(stderr, /there is a file that is no socket/);
  assertEquals(Deno.readTextFileSync(path), "mine");
});

test(
  "clients that talk nonsense, talk too much, say nothing or do not listen harm nobody",
  async (_, control) => {
    await using jitsu = await start(control, config("www"));
    const connect = () => Deno.connect({ transport: "unix", path: control });
    const encoder = new TextEncoder();
    /** What is answered to a text; nothing where the connection is closed. */
    async function reply(text: string): Promise<string> {
      using connection = await connect();
      await connection.write(encoder.encode(text)).catch(() => {});
      const buffer = new Uint8Array(4096);
      const count = await connection.read(buffer).catch(() => null);
      return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
    }
    assertMatch(await reply("nonsense\n"), /the request is not JSON/);
    assertMatch(await reply("null\n"), /speaks version 1/);
    assertMatch(await reply('{"jitsu":2,"command":"status"}\n'), /version 1/);
    assertMatch(await reply('{"jitsu":1,"command":"x"}\n'), /no command x/);
    assertMatch(
      await reply('{"jitsu":1,"command":"stop","name":7}\n'),
      /stop needs name/,
    );
    assertMatch(
      await reply("x".repeat(2 * MAX_REQUEST)),
      /^(|.*a line of more)/,
    );

    // One asks without ever reading, others hold connections open and say nothing.
    using deaf = await connect();
    const request = encoder.encode(
      '{"jitsu":1,"command":"status"}\n'.repeat(100),
    );
    const writing = deaf.write(request).catch(() => {});
    const silent = await Promise.all(Array.from({ length: 20 }, connect));
    assertEquals(await done(control, "status", "--names"), "www\n");
    assertEquals((await jitsu.dig("www.test")).status, "NOERROR");
    for (const each of silent) each.close();
    await writing;
    assertEquals(
      jitsu.log.filter((line) => /internal error/.test(line)),
      [],
    );
  },
);
