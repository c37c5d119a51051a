import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  BackendError,
  type MachineState,
} from "../../../src/backends/backend.ts";
import { parseConnect } from "../../../src/backends/xapi/connect.ts";
import { Slow, Unreachable } from "../../../src/backends/xapi/errors.ts";
import { checkedHttp } from "../../../src/backends/xapi/http.ts";
import { Login } from "../../../src/backends/xapi/login.ts";
import { Password } from "../../../src/backends/xapi/password.ts";
import { Rpc } from "../../../src/backends/xapi/rpc.ts";
import { Session } from "../../../src/backends/xapi/session.ts";
import { encodeCall } from "../../../src/backends/xapi/xmlrpc.ts";
import { collectLog } from "../../collect_log.ts";
import { until } from "../../until.ts";
import { FakeXapi, PASSWORD } from "./fake/server.ts";
import { machine, open, polling, test } from "./set_up.ts";

/** What `open` is refused with. */
async function refusal(connect: string, password?: string): Promise<string> {
  return (await assertRejects(() => open(connect, {}, password), BackendError))
    .message;
}

Deno.test("a host that is not the master sends us to the one that is", async () => {
  collectLog("backend");
  await using fake = await FakeXapi.start({ hosts: 3 });
  const backend = await open(`http://127.0.0.3:${fake.port}`);
  assertEquals(
    fake.calls.filter(({ method }) => method.startsWith("session"))
      .map(({ host }) => host),
    ["127.0.0.3", "127.0.0.1"],
  );
  fake.pool.addVm({ name: "www" });
  assertEquals(await (await machine(backend, "www")).start(), "started");
  await backend.close();
});

test(
  "when another host becomes the master, it is found and what happened is seen",
  async (stage) => {
    const { fake, backend } = stage;
    const ref = fake.pool.addVm({ name: "www" });
    const www = await machine(backend, "www");
    await polling(stage);
    const told = Promise.withResolvers<MachineState>();
    www.onStateChange = told.resolve;
    fake.elect(1);
    fake.pool.become(ref, "Running");
    assertEquals(await told.promise, "running");
    await www.destroy();
    assertEquals(fake.calls.at(-1)!.host, "127.0.0.2");
  },
  { hosts: 2 },
);

test(
  "when the master dies, the pool's other hosts are tried until one is the master",
  async (stage) => {
    const { fake, backend, log } = stage;
    fake.pool.addVm({ name: "www" });
    const www = await machine(backend, "www");
    await fake.down(0);
    const { message } = await assertRejects(() => www.start(), BackendError);
    assertStringIncludes(message, "Connection refused");
    assertStringIncludes(message, "not the master of its pool");
    fake.elect(2);
    await until("started", async () => {
      try {
        return await www.start() === "started";
      } catch (error) {
        if (error instanceof BackendError) return false;
        throw error;
      }
    });
    const count = (pattern: RegExp) =>
      log.filter((line) => pattern.test(line)).length;
    assertEquals(count(/^WARN the pool is lost: /), 1);
    assertEquals(
      count(
        /^INFO XAPI at http:\/\/127\.0\.0\.3:\d+\/ is reached again after /,
      ),
      1,
    );
  },
  { hosts: 3 },
);

test("a pool that cannot be reached is told at once, and its states are not guessed", async (stage) => {
  const { fake, backend, log } = stage;
  fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await fake.down(0);
  await until(
    "lost",
    () => log.some((line) => line.startsWith("WARN the pool is lost")),
  );
  const { message } = await assertRejects(() => www.state(), BackendError);
  assertStringIncludes(message, "cannot read the state of www: XAPI at ");
  fake.up(0);
  assertEquals(await www.state(), "off"); // without waiting for its next turn
});

test("a session that is over is opened again, once for all calls", async ({ fake, backend }) => {
  for (const name of ["a", "b", "c"]) fake.pool.addVm({ name });
  const machines = await Promise.all(
    ["a", "b", "c"].map((name) => machine(backend, name)),
  );
  const before = fake.count("session.login_with_password");
  fake.endSessions();
  await Promise.all(machines.map((each) => each.start()));
  for (const each of machines) assertEquals(await each.state(), "running");
  assertEquals(fake.count("session.login_with_password"), before + 1);
  assertEquals(fake.pool.operations.toSorted(), [
    "start a",
    "start b",
    "start c",
  ]);
});

test("a session that ends while we wait for events is opened again, and nothing is missed", async (stage) => {
  const { fake, backend } = stage;
  const ref = fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  await polling(stage);
  const told = Promise.withResolvers<MachineState>();
  www.onStateChange = told.resolve;
  fake.endSessions();
  fake.pool.become(ref, "Running");
  assertEquals(await told.promise, "running");
});

test("a session that is never valid is an error, not a loop", async ({ fake, backend }) => {
  fake.pool.addVm({ name: "www" });
  const description = ["SESSION_INVALID", "x"];
  fake.fault("VM.get_by_name_label", { kind: "error", description }, 2);
  const { message } = await assertRejects(
    () => machine(backend, "www"),
    BackendError,
  );
  assertStringIncludes(message, "the session is over [SESSION_INVALID]");
  assertEquals(fake.count("VM.get_by_name_label"), 2);
});

Deno.test("a wrong password is told with the user, without the password", async () => {
  collectLog("backend");
  await using fake = await FakeXapi.start();
  const message = await refusal(fake.url, "wrong-password");
  assertStringIncludes(
    message,
    " as root: the user name or the password is wrong",
  );
  assertStringIncludes(message, "[SESSION_AUTHENTICATION_FAILED]");
  assert(!message.includes("wrong-password"));
});

Deno.test("what is no XAPI is told with what came instead", async () => {
  collectLog("backend");
  await using fake = await FakeXapi.start();
  for (
    const [fault, words] of [
      [
        {
          kind: "body",
          body:
            "<!DOCTYPE html><html><title>Welcome</title><p>to nginx!</html>",
        },
        'not XAPI\'s (is this a host of a pool?): "Welcome to nginx!"',
      ],
      [
        { kind: "body", body: "<h1>Forbidden</h1>", status: 403 },
        'HTTP status 403: "Forbidden"',
      ],
      [{
        kind: "body",
        body:
          "<methodResponse><params><param><value>1</value></param></params></methodResponse>",
      }, "not XAPI's"],
      [
        { kind: "body", body: "<methodResponse>" + " ".repeat(33 * 2 ** 20) },
        "has more than 33554432 octets",
      ],
      [
        { kind: "body", body: "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>" },
        "there is <!DOCTYPE",
      ],
      [
        { kind: "redirect", location: "https://xs1/" },
        'it sends us to "https://xs1/": name that in --connect',
      ],
      [{ kind: "cut" }, "it was cut off"],
    ] as const
  ) {
    fake.fault("session.login_with_password", fault);
    assertStringIncludes(await refusal(fake.url), words);
  }
});

Deno.test("what is refused because of who we are is told", async () => {
  collectLog("backend");
  await using fake = await FakeXapi.start();
  const description = ["RBAC_PERMISSION_DENIED", "event.inject", "no"];
  fake.fault("event.inject", { kind: "error", description });
  assertStringIncludes(
    await refusal(fake.url),
    "vm-operator or more [RBAC_PERMISSION_DENIED]",
  );
  assertEquals(fake.sessions, 0);
});

Deno.test("a pool that never answers is told after a while", async () => {
  collectLog("backend");
  await using fake = await FakeXapi.start();
  fake.fault("session.login_with_password", { kind: "hang" });
  assertStringIncludes(
    await refusal(fake.url),
    "no reply to session.login_with_password within 10 s",
  );
});

test("a call that is never answered is given up", async ({ fake, backend }) => {
  fake.pool.addVm({ name: "www" });
  fake.fault("VM.get_by_name_label", { kind: "hang" });
  const { message } = await assertRejects(
    () => machine(backend, "www"),
    BackendError,
  );
  assertStringIncludes(message, "no reply to VM.get_by_name_label within 10 s");
  assertEquals(await (await machine(backend, "www")).state(), "off");
});

Deno.test("closing ends at once, whatever hangs", async () => {
  collectLog("backend");
  await using fake = await FakeXapi.start();
  fake.pool.addVm({ name: "www" });
  const backend = await open(fake.url);
  const www = await machine(backend, "www");
  fake.fault("VIF.get_record", { kind: "hang" });
  fake.fault("Async.VM.start", { kind: "hang" });
  const starting = assertRejects(() => www.start(), BackendError);
  await until("hanging", () => fake.count("Async.VM.start") === 1);
  await backend.close();
  assertStringIncludes((await starting).message, "is closed");
});

test("neither log nor error ever has the password or the session", async ({ fake, backend, log }) => {
  fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  const session = String(fake.calls.at(-1)!.params[0]);
  const escaped = encodeCall("a", [PASSWORD]);
  const echo = `<p>${escaped} ${PASSWORD} ${session}`;
  fake.fault("Async.VM.start", { kind: "body", body: echo, status: 500 }, 20);
  const failed = await assertRejects(() => www.start(), BackendError);
  assertStringIncludes(failed.message, "***");
  const description = ["INTERNAL_ERROR", `${PASSWORD} ${session}`];
  fake.fault("VIF.get_record", { kind: "error", description });
  fake.pool.addVm({ name: "net", macs: ["0a:00:00:00:00:01"] });
  const net = await machine(backend, "net");
  const echoed = await assertRejects(() => net.macAddresses!(), BackendError);
  for (const text of [failed.message, echoed.message, ...log]) {
    assert(!text.includes("secret"), text);
    assert(!text.includes(session), text);
  }
});

/** A test of a session whose calls have times of the test's. */
function sessionTest(
  name: string,
  run: (
    fake: FakeXapi,
    ask: (method: string, timeout: number) => Promise<unknown>,
  ) => Promise<void>,
): void {
  Deno.test(name, async () => {
    collectLog("backend");
    await using fake = await FakeXapi.start();
    const http = checkedHttp([]), target = parseConnect(fake.url)!;
    const password = new Password(PASSWORD);
    const rpc = new Rpc(http, password.all);
    const session = new Session(rpc, target, new Login(rpc, target, password));
    const { signal } = new AbortController();
    try {
      await session.login();
      await run(
        fake,
        (method, timeout) => session.attempt(method, [], timeout, signal),
      );
    } finally {
      await session.close();
      http.close();
    }
    assertEquals(fake.sessions, 0);
  });
}

sessionTest(
  "a reply that takes long is waited for longer the next time, and the session that was given up is logged out",
  async (fake, ask) => {
    fake.delays.set("VM.get_all", 500);
    await assertRejects(
      () => ask("VM.get_all", 200),
      Unreachable,
      "within 0.2 s",
    );
    await assertRejects(
      () => ask("VM.get_all", 200),
      Unreachable,
      "within 0.4 s",
    );
    assertEquals(await ask("VM.get_all", 200), []);
    assertEquals(fake.count("session.login_with_password"), 3);
    await until("logged out", () => fake.sessions === 1);
  },
);

sessionTest(
  "a reply that takes long ends no session while others come",
  async (fake, ask) => {
    fake.delays.set("VM.get_all", 60_000);
    const late = assertRejects(() => ask("VM.get_all", 300), Slow);
    await ask("host.get_all", 10_000);
    await late;
    assertEquals(fake.count("session.login_with_password"), 1);
  },
);
