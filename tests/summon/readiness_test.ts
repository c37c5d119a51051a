import {
  assert,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { elapse } from "../elapse.ts";
import { FakeTime } from "@std/testing/time";
import { ReadinessWait, waitForTcp } from "../../src/summon/readiness.ts";
import { until } from "../until.ts";
import { test, unikernel } from "./set_up.ts";

const never = new AbortController().signal;
const listen = (port = 0, hostname = "127.0.0.1", tcpBacklog = 1) =>
  Deno.listen({ hostname, port, tcpBacklog });
const portOf = (listener: Deno.Listener) =>
  (listener.addr as Deno.NetAddr).port;
/** A port that nobody listens on. */
function freePort(): number {
  const listener = listen();
  listener.close();
  return portOf(listener);
}
/** A port whose listener's queue is full: the kernel drops each further SYN, as if it reached nobody. */
class FullPort implements Disposable {
  readonly #listener = listen();
  readonly #queued: Deno.Conn[] = [];
  readonly port = portOf(this.#listener);

  static async open(): Promise<FullPort> {
    const full = new FullPort();
    await full.#fill();
    return full;
  }
  async #fill(): Promise<void> {
    for (;;) {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), 300);
      try {
        const { port } = this, { signal } = late;
        this.#queued.push(await Deno.connect({ port, signal }));
      } catch {
        return;
      } finally {
        clearTimeout(timer);
      }
    }
  }
  /** From now on there is room. */
  async empty(): Promise<void> {
    for (const each of this.#queued.splice(0)) {
      (await this.#listener.accept()).close();
      each.close();
    }
  }
  [Symbol.dispose](): void {
    for (const each of this.#queued) each.close();
    this.#listener.close();
  }
}
/** Counts the attempts to connect while it is in use. */
class Attempts {
  made = 0;
  open = 0;
  mostOpen = 0;
  readonly #connect = Deno.connect;
  constructor() {
    Deno.connect = (async (options: Deno.ConnectOptions) => {
      this.made++;
      this.mostOpen = Math.max(this.mostOpen, ++this.open);
      try {
        return await this.#connect(options);
      } finally {
        this.open--;
      }
    }) as typeof Deno.connect;
  }
  [Symbol.dispose](): void {
    Deno.connect = this.#connect;
  }
}
/** A wait that must not time out nor ask for xenstore. */
const context = {
  domainId: () => Promise.reject(new Error("nobody needs it")),
  waitForXenstoreKey: () => Promise.reject(new Error("nobody needs it")),
  onTimeout: (missing: string) => {
    throw new Error(missing);
  },
};

for (const hostname of ["127.0.0.1", "::1"]) {
  test(`a port of ${hostname} that listens already is connected to`, async () => {
    using listener = listen(0, hostname);
    await waitForTcp(hostname, portOf(listener), never, () => {});
    (await listener.accept()).close();
  });
}

test("a port that listens late is connected to, and the refusals are told", async () => {
  const port = freePort();
  const troubles: string[] = [];
  let listener: Deno.Listener | undefined;
  await waitForTcp("127.0.0.1", port, never, (message) => {
    troubles.push(message);
    if (troubles.length === 3) listener = listen(port);
  });
  listener!.close();
  assertGreater(troubles.length, 2);
  assertMatch(troubles[0], /refused/i);
});

test("while SYNs get lost, fresh attempts follow, a bounded number at once, and all end with the first success", async () => {
  using full = await FullPort.open();
  const { port } = full;
  using attempts = new Attempts();
  const connected = waitForTcp("127.0.0.1", port, never, () => {});
  await until("30 attempts", () => attempts.made === 30);
  await full.empty();
  await connected;
  await until("all attempts over", () => attempts.open === 0);
  assertGreater(attempts.mostOpen, 1);
  assertLessOrEqual(attempts.mostOpen, 21); // one that is being aborted may still be there
});

test("nobody connects to a machine before it is heard of, and then as often as ever", async () => {
  using full = await FullPort.open();
  const { port } = full;
  using attempts = new Attempts();
  const { promise: heard, resolve } = Promise.withResolvers<void>();
  const connected = waitForTcp("127.0.0.1", port, never, () => {}, heard);
  assertEquals(attempts.made, 0);
  resolve();
  await until("many at once", () => attempts.mostOpen > 10);
  await full.empty();
  await connected;
  await until("all attempts over", () => attempts.open === 0);
});

test("a machine that nobody hears of is connected to now and then, by one attempt at a time", async () => {
  using full = await FullPort.open();
  const { port } = full;
  using attempts = new Attempts();
  {
    using time = new FakeTime();
    const silence = new Promise<void>(() => {});
    const died = new AbortController();
    const { signal } = died;
    const waiting = waitForTcp("127.0.0.1", port, signal, () => {}, silence);
    await elapse(time, 60_000);
    assertGreater(attempts.made, 1);
    assertLessOrEqual(attempts.made, 20);
    assertLessOrEqual(attempts.mostOpen, 2); // one that is being aborted may still be there
    died.abort(new Error("went off"));
    await assertRejects(() => waiting, Error, "went off");
  }
  await until("all attempts over", () => attempts.open === 0);
});

test("an abort ends the wait for a port at once and leaves nothing open", async () => {
  using full = await FullPort.open();
  const { port } = full;
  using attempts = new Attempts();
  const died = new AbortController();
  const waiting = waitForTcp("127.0.0.1", port, died.signal, () => {});
  await until("3 attempts open", () => attempts.open === 3);
  died.abort(new Error("went off"));
  await assertRejects(() => waiting, Error, "went off");
  await until("all attempts over", () => attempts.open === 0);
});

test("an abort just as the connection is made leaves nothing open", async () => {
  using listener = listen(0, "127.0.0.1", 1024);
  const port = portOf(listener);
  for (let round = 0; round < 500; round++) {
    const died = Array.from({ length: 5 }, () => new AbortController());
    const waits = died.map(({ signal }) =>
      waitForTcp("127.0.0.1", port, signal, () => {})
    );
    setTimeout(() => died.forEach((each) => each.abort()), 0);
    await Promise.allSettled(waits);
  }
});

test("a wait whose signal has aborted already connects to nobody", async () => {
  using listener = listen();
  const gone = AbortSignal.abort(new Error("went off"));
  await assertRejects(
    () => waitForTcp("127.0.0.1", portOf(listener), gone, () => {}),
    Error,
    "went off",
  );
});

test("a unikernel is ready when the first of its addresses accepts connections", async () => {
  using listener = listen();
  const readiness = { waitForTcp: portOf(listener), waitTimeout: 60 };
  const addresses = ["127.0.0.1", "192.0.2.1"];
  await new ReadinessWait(unikernel({ addresses, readiness }), context)
    .run(never);
  (await listener.accept()).close();
});

test("a port that is late counts as ready after the timeout, with what is missing and why", async () => {
  const port = freePort();
  const readiness = {
    waitForTcp: port,
    waitTimeout: 0.2,
    responseDelay: 1e6,
  };
  let told = "";
  await new ReadinessWait(unikernel({ readiness }), {
    ...context,
    onTimeout: (missing) => told = missing,
  }).run(never);
  assertStringIncludes(
    told,
    `no TCP connection to 127.0.0.1 port ${port} (Connection refused`,
  );
});

test("a port that is required is waited for beyond the timeout", async () => {
  const port = freePort();
  const readiness = {
    waitForTcp: port,
    waitTimeout: 0.1,
    waitRequired: true,
  };
  let listener: Deno.Listener | undefined;
  let told = 0;
  const wait: ReadinessWait = new ReadinessWait(unikernel({ readiness }), {
    ...context,
    onTimeout: () => {
      if (++told === 2) listener = listen(port);
      else wait.extend();
    },
  });
  await wait.run(never);
  assertEquals(told, 2);
  listener!.close();
});

test("a port and a key must both come, and only what is missing is named", async () => {
  using listener = listen();
  const key = Promise.withResolvers<void>();
  const asked: unknown[] = [];
  const missing = Promise.withResolvers<string>();
  const readiness = {
    waitForTcp: portOf(listener),
    waitForKey: "data/ready",
    waitTimeout: 0.3,
    waitRequired: true,
  };
  let ready = false;
  const running = new ReadinessWait(unikernel({ readiness }), {
    domainId: () => Promise.resolve(7),
    waitForXenstoreKey: (domid, name) => {
      asked.push(domid, name);
      return key.promise;
    },
    onTimeout: missing.resolve,
  }).run(never).then(() => ready = true);
  (await listener.accept()).close();
  assertEquals(await missing.promise, "no data/ready in xenstore");
  assert(!ready);
  key.resolve();
  await running;
  assertEquals(asked, [7, "data/ready"]);
});

test("a machine without a domain id is named as the reason why its key cannot be waited for", async () => {
  const missing = Promise.withResolvers<string>();
  const readiness = { waitForKey: "data/ready", waitTimeout: 0.1 };
  await new ReadinessWait(unikernel({ readiness }), {
    ...context,
    domainId: () => Promise.resolve(undefined),
    onTimeout: missing.resolve,
  }).run(never);
  assertEquals(
    await missing.promise,
    "no data/ready in xenstore (it has no domain id)",
  );
});

test("a machine that knows is waited for, again where it could not tell, and named with the reason", async () => {
  const missing = Promise.withResolvers<string>();
  const ready = Promise.withResolvers<void>();
  let waits = 0;
  const machine = {
    what: "DHCP lease",
    wait: () =>
      ++waits === 1
        ? Promise.reject(new Error("no DHCP server"))
        : ready.promise,
  };
  const readiness = { waitTimeout: 0.1, waitRequired: true };
  const running = new ReadinessWait(unikernel({ readiness }), {
    ...context,
    machine,
    onTimeout: missing.resolve,
  }).run(never);
  assertEquals(await missing.promise, "no DHCP lease (no DHCP server)");
  await until("asked again", () => waits === 2);
  ready.resolve();
  await running;
});

test("an abort ends the wait for a machine that knows", async () => {
  const died = new AbortController();
  const machine = {
    what: "DHCP lease",
    wait: (signal: AbortSignal) =>
      new Promise<void>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      ),
  };
  const running = new ReadinessWait(unikernel(), { ...context, machine })
    .run(died.signal);
  died.abort(new Error("went off"));
  await assertRejects(() => running, Error, "went off");
});

test("an abort ends the response delay at once", async () => {
  const died = new AbortController();
  const readiness = { responseDelay: 1e6 };
  const running = new ReadinessWait(unikernel({ readiness }), context)
    .run(died.signal);
  died.abort(new Error("went off"));
  await assertRejects(() => running, Error, "went off");
});
