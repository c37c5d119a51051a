/** At which address of which pool we log in, and how often. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  BackendError,
  type BackendMemory,
} from "../../../src/backends/backend.ts";
import { parseConnect } from "../../../src/backends/xapi/connect.ts";
import { checkedHttp } from "../../../src/backends/xapi/http.ts";
import {
  FIRST_FLOOR,
  LAST_FLOOR,
  Login,
} from "../../../src/backends/xapi/login.ts";
import { findPassword } from "../../../src/backends/xapi/password.ts";
import { Rpc } from "../../../src/backends/xapi/rpc.ts";
import { collectLog } from "../../collect_log.ts";
import { until } from "../../until.ts";
import { FakeXapi, PASSWORD } from "./fake/server.ts";
import { machine, open, test, withFile } from "./set_up.ts";

const LOGIN = "session.login_with_password";
const NEVER = new AbortController().signal;

/** Where log-ins were tried, in their order, from a call on. */
function logins(fake: FakeXapi, from = 0): string[] {
  return fake.calls.slice(from).filter(({ method }) => method === LOGIN)
    .map(({ host }) => host);
}

/** What a database would remember. */
function memory(): BackendMemory & { noted: Map<string, string> } {
  const noted = new Map<string, string>();
  return {
    noted,
    recall: (farEnd) => Promise.resolve(noted.get(farEnd)),
    note: (farEnd, identity) => {
      noted.set(farEnd, identity);
      return Promise.resolve();
    },
  };
}

function poolUuid(fake: FakeXapi): string {
  return String(fake.pool.db.get("pool", fake.pool.ref)!.uuid);
}

test(
  "a host that is a pool of its own since it was ejected is left alone, while the master is away and after",
  async ({ fake, backend, log }) => {
    const ours = fake.pool.addVm({ name: "www" });
    const www = await machine(backend, "www");
    await www.start();
    await fake.eject(1);
    await using other = await FakeXapi.start({ first: 2, port: fake.port });
    const theirs = other.pool.addVm({ name: "www", state: "Running" });
    await fake.down(0);
    await until("refused", () => other.count("session.logout") > 0);
    const { message } = await assertRejects(() => www.destroy(), BackendError);
    assertStringIncludes(message, "Connection refused");
    fake.up(0);
    await www.destroy();
    assertEquals(fake.pool.vm(ours).power_state, "Halted");
    assertEquals(other.pool.vm(theirs).power_state, "Running");
    assertEquals(other.pool.operations, []);
    await until("logged out", () => other.sessions === 0);
    const told = `is that of another pool, ${poolUuid(other)}`;
    assert(log.some((line) => line.startsWith("WARN") && line.includes(told)));

    // The pool has said since that it has no such host.
    const before = logins(other).length;
    await fake.down(0);
    await until(
      "lost again",
      () =>
        log.filter((line) => line.startsWith("WARN the pool is lost")).length >
          1,
    );
    assertEquals(logins(other).length, before);
  },
  { hosts: 2 },
);

Deno.test("the pool of the first log-in is remembered, and no other one is served later", async () => {
  const log = collectLog("backend");
  const kept = memory();
  const port = await (async () => {
    await using first = await FakeXapi.start();
    await (await open(first.url, {}, PASSWORD, kept)).close();
    assertEquals([...kept.noted], [[first.url, poolUuid(first)]]);
    return first.port;
  })();
  await using second = await FakeXapi.start({ port });
  const { message } = await assertRejects(
    () => open(second.url, {}, PASSWORD, kept),
    BackendError,
  );
  const uuid = poolUuid(second);
  assertStringIncludes(message, `another pool, ${uuid}, while ours is `);
  assertStringIncludes(message, `--xapi-pool ${uuid}`);
  await until("logged out", () => second.sessions === 0);

  const settings = { "xapi-pool": uuid.toUpperCase() };
  await (await open(second.url, settings, PASSWORD, kept)).close();
  await (await open(second.url, {}, PASSWORD, kept)).close();
  assertEquals(kept.noted.get(second.url), uuid);
  assert(!log.some((line) => line.includes(PASSWORD)));
});

Deno.test("a pool that is not the one of --xapi-pool is refused, and what is no UUID as well", async () => {
  collectLog("backend");
  await using fake = await FakeXapi.start();
  const refusal = async (pool: string) =>
    (await assertRejects(
      () => open(fake.url, { "xapi-pool": pool }),
      BackendError,
    )).message;
  const other = crypto.randomUUID();
  assertStringIncludes(await refusal(other), `while ours is ${other}`);
  assertStringIncludes(await refusal("mine"), "expected the UUID of a pool");
});

for (
  const [what, ...description] of [
    ["an error that nobody has heard of", "XENAPI_PLUGIN_FAILURE", "x", "y"],
    ["a wrong password", "SESSION_AUTHENTICATION_FAILED", "root", "no"],
    ["that it has no role for us", "SESSION_AUTHORIZATION_FAILED", "root"],
  ]
) {
  test(
    `a host that answers log-ins with ${what} does not keep us from the next one`,
    async ({ fake, backend }) => {
      fake.pool.addVm({ name: "www" });
      const www = await machine(backend, "www");
      const fault = { kind: "error", description } as const;
      fake.fault(LOGIN, fault, 1000, "127.0.0.2");
      await fake.down(0);
      fake.elect(2);
      assertEquals(await www.start(), "started");
      assertEquals(fake.calls.at(-1)!.host, "127.0.0.3");
    },
    { hosts: 3 },
  );
}

test(
  "a master that is back is found although another host answers with an error of its own",
  async ({ fake, backend, log }) => {
    fake.pool.addVm({ name: "www" });
    const www = await machine(backend, "www");
    const description = ["XENAPI_PLUGIN_FAILURE", "x", "y"];
    fake.fault(LOGIN, { kind: "error", description }, 1000, "127.0.0.2");
    await fake.down(0);
    await until(
      "lost",
      () => log.some((line) => line.startsWith("WARN the pool is lost")),
    );
    fake.up(0);
    assertEquals(await www.start(), "started");
  },
  { hosts: 2 },
);

test(
  "a master that answers every call with an error is left for the one that took its place",
  async ({ fake, backend }) => {
    // As a host in emergency mode does, whose reason may be any error.
    fake.pool.addVm({ name: "www" });
    const www = await machine(backend, "www");
    const description = ["HOST_HAS_NO_MANAGEMENT_IP"];
    const fault = { kind: "error", description } as const;
    for (
      const method of [LOGIN, "event.from", "pool.get_all", "Async.VM.start"]
    ) fake.fault(method, fault, 1000, "127.0.0.1");
    fake.master = 1;
    fake.pool.db.update("VM", fake.pool.db.entries("VM")[0][0], {}); // ends the poll
    await until(
      "started",
      () =>
        www.start().then((action) => action === "started", (error) => {
          if (error instanceof BackendError) return false;
          throw error;
        }),
    );
    assertEquals(fake.calls.at(-1)!.host, "127.0.0.2");
  },
  { hosts: 2 },
);

/** A log-in whose time the test makes, with a password file that it writes. */
async function withLogin(
  password: string,
  run: (
    stage: {
      fake: FakeXapi;
      login: Login;
      path: string;
      pass(ms: number): void;
      /** What it is refused with. */
      refusal(): Promise<string>;
    },
  ) => Promise<void>,
): Promise<void> {
  collectLog("backend");
  await using fake = await FakeXapi.start({ hosts: 2 });
  const http = checkedHttp([]);
  try {
    await withFile(password, async (path) => {
      const target = parseConnect(fake.url)!;
      const found = findPassword(target, path);
      let now = 0;
      const rpc = new Rpc(http, found.all);
      const login = new Login(rpc, target, found, undefined, () => now);
      const pass = (ms: number) => void (now += ms);
      const refusal = async () =>
        (await assertRejects(() => login.somewhere(NEVER), BackendError))
          .message;
      await run({ fake, login, path, pass, refusal });
      await login.left();
    });
  } finally {
    http.close();
  }
}

Deno.test("a wrong password is tried again after a while only, whoever asks, and less often each time", () =>
  withLogin("wrong", async ({ fake, pass, refusal }) => {
    let floor = FIRST_FLOOR;
    for (let count = 1; count <= 8; count++) {
      assertStringIncludes(await refusal(), "the password is wrong");
      pass(floor - 1000);
      for (let i = 0; i < 10; i++) {
        assertStringIncludes(
          await refusal(),
          "the next log-in there is in 1 s",
        );
      }
      assertEquals(logins(fake).length, count);
      pass(1000);
      floor = Math.min(2 * floor, LAST_FLOOR);
    }
  }));

Deno.test("a password that was put right in its file is found, and both are shown to nobody", () =>
  withLogin("wrong\n", async ({ fake, login, path, pass, refusal }) => {
    await refusal();
    await Deno.writeTextFile(path, `${PASSWORD}\n`);
    assertStringIncludes(await refusal(), "the next log-in there is in 30 s");
    pass(FIRST_FLOOR);
    const echo = `<h1>wrong ${PASSWORD}</h1>`;
    fake.fault(LOGIN, { kind: "body", body: echo, status: 500 }, 1);
    assertStringIncludes(await refusal(), '"*** ***"');
    assertEquals((await login.somewhere(NEVER)).host, "127.0.0.1");
    assertEquals(fake.sessions, 1);
  }));

Deno.test("a password that was changed at the pool is tried once, at the address that was good last", () =>
  withLogin(PASSWORD, async ({ fake, login, refusal }) => {
    await login.somewhere(NEVER);
    fake.password = "another";
    const before = fake.calls.length;
    for (let i = 0; i < 5; i++) await refusal();
    assertEquals(logins(fake, before), ["127.0.0.1"]);
  }));

test("while the password is wrong, neither queries nor time bring more log-ins about", async ({ fake, backend, log }) => {
  fake.pool.addVm({ name: "www" });
  const www = await machine(backend, "www");
  fake.password = "another";
  const before = fake.calls.length;
  fake.endSessions();
  await until(
    "lost",
    () => log.some((line) => line.startsWith("WARN the pool is lost")),
  );
  for (let i = 0; i < 20; i++) {
    const { message } = await assertRejects(() => www.start(), BackendError);
    assertStringIncludes(message, "the password is wrong");
  }
  assertEquals(logins(fake, before).length, 1);
});
