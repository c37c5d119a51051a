import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
} from "@std/assert";
import type { MachineState } from "../../src/backends/backend.ts";
import { STOP_MODES } from "../../src/summon/unikernel.ts";
import { FakeXenstore, Outcome, Stage, unikernel } from "./set_up.ts";

const CAUSE = "A www.example.org from 127.0.0.1#5353";
const KEY = { waitForKey: "data/ready" };

Deno.test("a hundred summonses of a cold machine make one start and a hundred answers", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  machine.takes.start = 2000;
  const outcomes = Array.from(
    { length: 100 },
    () => new Outcome(www.summon(CAUSE)),
  );
  await stage.elapse(1999);
  assert(outcomes.every(({ state }) => state === "pending"));
  assertEquals(www.state, "starting");
  await stage.elapse(1);
  assert(outcomes.every(({ state }) => state === "resolved"));
  assertEquals(machine.calls, ["start"]);
  assert(www.ready);
  assertEquals([www.starts, www.failures], [1, 0]);
  assertEquals(www.lastTimeToReady, 2000);
});

Deno.test("a summons of a ready machine resolves without a call", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  await www.summon(CAUSE);
  assertEquals(machine.calls, []);
});

Deno.test("the response delay comes after the start", async () => {
  using stage = new Stage();
  const { www } = await stage.www({ readiness: { responseDelay: 0.1 } });
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(99);
  assertEquals(outcome.state, "pending");
  assert(!www.ready);
  await stage.elapse(1);
  assertEquals(outcome.state, "resolved");
});

for (const state of ["paused", "suspended"] as const) {
  Deno.test(`a machine found ${state} stays so until it is summoned`, async () => {
    using stage = new Stage();
    const { machine, www } = await stage.www({}, state);
    assertEquals([www.state, www.ready], [state, false]);
    await stage.elapse(1_000_000);
    assertEquals(machine.calls, []);
    await www.summon(CAUSE);
    assertEquals(machine.current, "running");
    assert(www.ready);
  });
}

Deno.test("a machine found running is ready and its idle clock starts then", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  assert(www.ready);
  await stage.elapse(119_999);
  assertEquals(machine.calls, []);
  await stage.elapse(1);
  assertEquals(machine.calls, ["destroy"]);
  assertEquals(www.state, "off");
});

Deno.test("a start that goes on after its client has gone ends ready", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  machine.takes.start = 60_000;
  www.summon(CAUSE);
  await stage.elapse(60_000);
  assert(www.ready);
});

Deno.test("a query is traceable from its receipt to its answer, with durations", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ readiness: KEY });
  machine.takes.start = 2310;
  www.summon(CAUSE);
  await stage.elapse(2310);
  assert(!www.ready);
  await stage.elapse(590);
  stage.xenstore.write(machine.domid);
  await stage.elapse(120_000);
  assertEquals(stage.log, [
    `INFO www: summoned by ${CAUSE}`,
    "INFO www: started in 2.31 s, waiting for xenstore key data/ready",
    "INFO www: ready 2.90 s after the query",
    "INFO www: idle for 120 s, destroying",
    "INFO www: off after 0.00 s",
  ]);
  assertEquals(stage.transitions, [
    `www: off -> starting (${CAUSE})`,
    `www: starting -> ready (${CAUSE})`,
    "www: ready -> stopping (idle for 120 s)",
    "www: stopping -> off (idle for 120 s)",
  ]);
});

Deno.test("a state that must not follow is logged as an internal error with both states, and can be left again", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ mode: "suspend" }, "running");
  machine.suspendsTo = "failed" as never; // which a backend must not say
  await www.stop("told to");
  assert(
    stage.log.includes(
      "ERROR www: internal error: stopping must not lead to failed (told to); please report this",
    ),
    stage.log.join("\n"),
  );
  assertEquals(www.state, "failed");
  machine.become("off");
  await www.summon(CAUSE);
  assert(www.ready);
});

Deno.test("a start that fails refuses with the reason and backs off, doubling to a minute, until one succeeds", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  for (const pause of [1, 2, 4, 8, 16, 32, 60, 60]) {
    machine.fails.start = ["no memory"];
    const error = await assertRejects(() => www.summon(CAUSE));
    assertEquals(
      (error as Error).message,
      "www could not be started: no memory",
    );
    assertEquals(www.state, "failed");
    await stage.elapse(pause * 1000 - 1);
    const calls = machine.calls.length;
    await assertRejects(
      () => www.summon(CAUSE),
      Error,
      "www could not be started: no memory; next try in 1 s",
    );
    assertEquals(machine.calls.length, calls);
    await stage.elapse(1);
  }
  assertEquals([www.starts, www.failures], [8, 8]);
  await www.summon(CAUSE);
  assert(www.ready);
  await www.stop("told to");
  machine.fails.start = ["no memory"];
  await assertRejects(() => www.summon(CAUSE));
  await stage.elapse(1000);
  await www.summon(CAUSE);
});

Deno.test("a machine that goes off while it starts refuses its summonses at once", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ readiness: KEY });
  const outcomes = [1, 2].map(() => new Outcome(www.summon(CAUSE)));
  await stage.elapse(100);
  machine.become("off", "crashed");
  await stage.time.runMicrotasks();
  for (const { message } of outcomes) {
    assertEquals(
      message,
      "www could not be started: it went off before it was ready (crashed)",
    );
  }
  assertEquals(www.state, "failed");
});

Deno.test("a machine that died before its start call returned is noticed", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ readiness: KEY });
  const start = machine.start.bind(machine);
  machine.start = async () => {
    const action = await start();
    machine.become("off", "crashed");
    return action;
  };
  await assertRejects(() => www.summon(CAUSE), Error, "(crashed)");
});

Deno.test("a machine that goes off while ready is started again by the next summons", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  machine.become("off", "destroyed by an admin");
  await stage.time.runMicrotasks();
  assertEquals([www.state, www.ready], ["off", false]);
  assert(stage.log.includes("INFO www: off (destroyed by an admin)"));
  await www.summon(CAUSE);
  assert(www.ready);
});

for (const state of ["paused", "suspended"] as const) {
  Deno.test(`a machine that an admin left ${state} is started by the next summons`, async () => {
    using stage = new Stage();
    const { machine, www } = await stage.www({}, "running");
    machine.become(state);
    await stage.time.runMicrotasks();
    assertEquals([www.state, www.ready], [state, false]);
    await www.summon(CAUSE);
    assert(www.ready);
    assertEquals(machine.current, "running");
  });

  Deno.test(`a machine that an admin left ${state} while it started refuses its summonses without back-off`, async () => {
    using stage = new Stage();
    const { machine, www } = await stage.www({ readiness: KEY });
    const outcome = new Outcome(www.summon(CAUSE));
    await stage.elapse(10);
    machine.become(state);
    await stage.time.runMicrotasks();
    assertEquals(outcome.message, `www was ${state} while it started`);
    assertEquals(www.state, state);
    stage.xenstore.write(machine.domid);
    await www.summon(CAUSE);
    assert(www.ready);
  });
}

for (const state of ["off", "paused", "suspended", "failed"] as const) {
  Deno.test(`a machine that is started by an admin while ${state} becomes ready when it is`, async () => {
    using stage = new Stage();
    const { machine, www } = await stage.www(
      { readiness: KEY },
      state === "failed" ? "off" : state,
    );
    if (state === "failed") {
      machine.fails.start = ["no memory"];
      await assertRejects(() => www.summon(CAUSE));
    }
    assertEquals(www.state, state);
    machine.become("running");
    await stage.time.runMicrotasks();
    assertEquals([www.state, www.ready], ["starting", false]);
    const outcome = new Outcome(www.summon(CAUSE));
    stage.xenstore.write(machine.domid);
    await stage.time.runMicrotasks();
    assertEquals([www.state, outcome.state], ["ready", "resolved"]);
    assert(!machine.calls.includes("start") || state === "failed");
  });
}

for (const echo of ["before", "after", "lost"] as const) {
  for (const mode of STOP_MODES) {
    const when = echo === "lost" ? "lost" : `${echo} the calls return`;
    Deno.test(`start and ${mode} work with their own events ${when}`, async () => {
      using stage = new Stage();
      const { machine, www } = await stage.www({ mode });
      machine.echo = echo;
      for (let round = 0; round < 3; round++) {
        await www.summon(CAUSE);
        const stopped = www.stop("told to");
        assert(!www.ready);
        await stage.elapse(0);
        await stopped;
        assertEquals(www.state, mode === "suspend" ? "suspended" : "off");
      }
      await www.summon(CAUSE);
      await stage.elapse(1000);
      assertEquals(www.state, "ready");
      assertEquals(www.failures, 0);
    });
  }
}

Deno.test("an event that the machine's state belies changes nothing", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ readiness: KEY });
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(10);
  machine.onStateChange!("off", "stale");
  await stage.elapse(10);
  assertEquals([www.state, outcome.state], ["starting", "pending"]);
  stage.xenstore.write(machine.domid);
  await stage.elapse(10);
  machine.onStateChange!("off", "stale");
  machine.onStateChange!("paused", "stale");
  await stage.elapse(10);
  assertEquals([www.state, outcome.state], ["ready", "resolved"]);
});

Deno.test("a state that was read while a call of ours began does not count", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  const { promise, resolve } = Promise.withResolvers<MachineState>();
  const state = machine.state.bind(machine);
  machine.state = () => {
    machine.state = state;
    return promise;
  };
  machine.onStateChange!("off", "late echo");
  await www.summon(CAUSE);
  resolve("off");
  await stage.elapse(10);
  assertEquals(www.state, "ready");
});

Deno.test("an event counts where the state cannot be read, and that is logged once", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  machine.fails.state = ["connection lost", "connection lost"];
  machine.become("off", "crashed");
  await stage.time.runMicrotasks();
  assertEquals(www.state, "off");
  machine.become("paused", "by an admin");
  await stage.time.runMicrotasks();
  assertEquals(www.state, "paused");
  await www.reconcile();
  const told = stage.log.filter((line) => line.includes("be read"));
  assertEquals(told, [
    "WARN www: its state cannot be read: connection lost",
    "INFO www: its state can be read again",
  ]);
});

Deno.test("it expires when each of its names was idle for twice the TTL, and no sooner", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www(
    { dns: ["a.example.org", "b.example.org", "c.example.org"], ttl: 10 },
    "running",
  );
  await stage.elapse(15_000);
  www.usage.note(0, Date.now());
  await stage.elapse(15_000);
  www.usage.note(1, Date.now());
  await stage.elapse(19_999);
  assertEquals(machine.calls, []);
  await stage.elapse(1);
  assertEquals(machine.calls, ["destroy"]);
  assert(stage.log.includes("INFO www: idle for 20 s, destroying"));
});

Deno.test("a name that is asked for once a TTL keeps its machine for ever", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  for (let minute = 0; minute < 100; minute++) {
    www.usage.note(0, Date.now());
    await stage.elapse(60_000);
  }
  assertEquals(machine.calls, []);
});

Deno.test("a TTL beyond the range of timers neither expires at once nor makes the timer spin", async () => {
  let looks = 0;
  using stage = new Stage({ now: () => (looks++, Date.now()) });
  const { machine } = await stage.www({ ttl: 2 ** 31 - 1 }, "running");
  await stage.elapse(60_000);
  assertEquals(machine.calls, []);
  assertLess(looks, 10);
});

Deno.test("an old request does not shorten the idle time of a machine that just became ready", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  www.usage.note(0, Date.now());
  machine.takes.start = 119_000;
  www.summon(CAUSE);
  await stage.elapse(119_000 + 119_999);
  assertEquals(machine.calls, ["start"]);
  await stage.elapse(1);
  assertEquals(machine.calls, ["start", "destroy"]);
});

Deno.test("it never expires while a summons is in flight", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({
    readiness: { ...KEY, waitRequired: true },
  });
  www.summon(CAUSE);
  await stage.elapse(5000); // too late for this one: its idle clock starts
  await stage.elapse(119_000);
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(4999);
  assertEquals([machine.calls, outcome.state], [["start"], "pending"]);
  await stage.elapse(120_000);
  assertEquals(machine.calls, ["start"]);
  await stage.elapse(1);
  assertEquals(machine.calls, ["start", "destroy"]);
});

for (const mode of STOP_MODES) {
  Deno.test(`a ${mode} that fails leaves it ready and is tried again after another idle period`, async () => {
    using stage = new Stage();
    const readiness = { responseDelay: 5 };
    const { machine, www } = await stage.www({ mode, readiness }, "running");
    machine.fails[mode] = ["no space left"];
    await stage.elapse(120_000);
    assertEquals(machine.calls, [mode]);
    assertEquals([www.state, www.ready], ["ready", true]);
    assert(
      stage.log.includes("ERROR www: could not be stopped: no space left"),
    );
    await stage.elapse(119_999);
    assertEquals(machine.calls, [mode]);
    await stage.elapse(1);
    assertEquals(machine.calls, [mode, mode]);
    assertEquals(www.state, mode === "suspend" ? "suspended" : "off");
  });
}

Deno.test("an idle machine that cannot be stopped is tried again less and less often, once an hour at least", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ mode: "suspend" }, "running");
  machine.fails.suspend = Array(9).fill("no space left");
  const tries: number[] = [];
  let minutes = 0;
  while (www.state === "ready") {
    await stage.elapse(60_000);
    minutes++;
    if (machine.calls.length > tries.length) tries.push(minutes);
  }
  assertEquals(tries, [2, 4, 8, 16, 32, 64, 124, 184, 244, 304]);
});

Deno.test("a stop that fails for a machine that is off ends off", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  machine.takes.destroy = 1000;
  machine.fails.destroy = ["connection lost"];
  const outcome = new Outcome(www.stop("told to"));
  await stage.elapse(10);
  machine.become("off", "crashed");
  await stage.elapse(1000);
  assertEquals(outcome.message, "could not be stopped: connection lost");
  assertEquals(www.state, "off");
});

Deno.test("suspend ends in the state that the backend says", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ mode: "suspend" }, "running");
  machine.suspendsTo = "paused";
  await www.stop("told to");
  assertEquals(www.state, "paused");
});

Deno.test("a shutdown is over when the machine goes off", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www(
    { mode: "shutdown" },
    "running",
  );
  machine.shutsDownIn = 7000;
  const outcome = new Outcome(www.stop("told to"));
  await stage.elapse(6999);
  assertEquals([www.state, outcome.state], ["stopping", "pending"]);
  await stage.elapse(1);
  assertEquals([www.state, outcome.state], ["off", "resolved"]);
  assertEquals(machine.calls, ["shutdown"]);
});

Deno.test("a shutdown that takes longer than its grace period is followed by destroy, with a warning", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www(
    { mode: "shutdown", shutdownTimeout: 30 },
    "running",
  );
  machine.shutsDownIn = "never";
  www.stop("told to");
  await stage.elapse(29_999);
  assertEquals(machine.calls, ["shutdown"]);
  await stage.elapse(1);
  assertEquals(machine.calls, ["shutdown", "destroy"]);
  assertEquals(www.state, "off");
  assert(
    stage.log.includes(
      "WARN www: did not shut down within 30.00 s, destroying it",
    ),
  );
});

for (const [takes, calls] of [[29_999, 1], [30_000, 2]]) {
  Deno.test(
    `a request to shut down that fails after ${takes} of 30000 ms is followed by ${
      calls === 1 ? "nothing" : "destroy"
    }`,
    async () => {
      using stage = new Stage();
      const { machine, www } = await stage.www(
        { mode: "shutdown", shutdownTimeout: 30 },
        "running",
      );
      machine.takes.shutdown = takes;
      machine.fails.shutdown = ["it is deaf"];
      www.stop("told to");
      await stage.elapse(30_000);
      assertEquals(machine.calls, ["shutdown", "destroy"].slice(0, calls));
      assertEquals(www.state, calls === 1 ? "ready" : "off");
      assert(
        stage.log.includes(
          calls === 1
            ? "ERROR www: could not be stopped: it is deaf"
            : "WARN www: did not shut down within 30.00 s (it is deaf), destroying it",
        ),
      );
    },
  );
}

Deno.test("the machine's own grace period wins", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www(
    { mode: "shutdown" },
    "running",
  );
  machine.shutsDownIn = "never";
  machine.gracePeriod = 500;
  www.stop("told to");
  await stage.elapse(500);
  assertEquals(machine.calls, ["shutdown", "destroy"]);
});

for (const mode of ["destroy", "suspend"] as const) {
  Deno.test(`a summons that comes during ${mode} waits for it and starts the machine again`, async () => {
    using stage = new Stage();
    const { machine, www } = await stage.www({ mode }, "running");
    machine.takes[mode] = 3000;
    machine.takes.start = 1000;
    const stopped = new Outcome(www.stop("told to"));
    await stage.elapse(1000);
    const outcome = new Outcome(www.summon(CAUSE));
    await stage.elapse(2000);
    assertEquals(stopped.state, "resolved");
    assertEquals([www.state, outcome.state], ["starting", "pending"]);
    await stage.elapse(1000);
    assertEquals([www.state, outcome.state], ["ready", "resolved"]);
    assertEquals(machine.calls, [mode, "start"]);
    assertEquals(machine.mostChanging, 1);
    assert(stage.log.includes("INFO www: ready 3.00 s after the query"));
  });
}

Deno.test("a summons that comes in the grace period of a shutdown waits until the machine is off", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www(
    { mode: "shutdown" },
    "running",
  );
  machine.shutsDownIn = 4000;
  www.stop("told to");
  await stage.elapse(1000);
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(2999);
  assertEquals(machine.calls, ["shutdown"]);
  await stage.elapse(1);
  assertEquals(machine.calls, ["shutdown", "start"]);
  assertEquals(outcome.state, "resolved");
});

Deno.test("a summons that comes during a stop that fails is answered, since the machine runs", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ mode: "suspend" }, "running");
  machine.takes.suspend = 1000;
  machine.fails.suspend = ["no space left"];
  www.stop("told to");
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(1000);
  assertEquals([www.state, outcome.state], ["ready", "resolved"]);
  assertEquals(machine.calls, ["suspend"]);
});

Deno.test("a stop refuses the summons in flight and waits for the start call", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  machine.takes.start = 2000;
  const summoned = new Outcome(www.summon(CAUSE));
  await stage.elapse(1000);
  const stopped = new Outcome(www.stop("operator"));
  await stage.elapse(999);
  assertEquals(summoned.message, "www was stopped: operator");
  assertEquals([www.state, stopped.state], ["stopping", "pending"]);
  await stage.elapse(1);
  assertEquals([www.state, stopped.state], ["off", "resolved"]);
  assertEquals(machine.calls, ["start", "destroy"]);
  assertEquals(machine.mostChanging, 1);
});

Deno.test("a stop of a machine whose start fails meanwhile has nothing to do", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  machine.takes.start = 2000;
  machine.fails.start = ["no memory"];
  www.summon(CAUSE);
  await stage.elapse(1000);
  const stopped = new Outcome(www.stop("operator"));
  await stage.elapse(1000);
  assertEquals([www.state, stopped.state], ["off", "resolved"]);
  assertEquals(machine.calls, ["start"]);
  assert(stage.log.some((line) => line.includes("no memory")));
});

Deno.test("a stop that fails after it ended a wait for readiness goes on with the wait", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ readiness: KEY });
  www.summon(CAUSE);
  await stage.elapse(10);
  machine.fails.destroy = ["permission denied"];
  await assertRejects(() => www.stop("operator"), Error, "permission denied");
  assertEquals(www.state, "starting");
  stage.xenstore.write(machine.domid);
  await stage.time.runMicrotasks();
  assert(www.ready);
});

Deno.test("a stop during a stop joins it and refuses the summons behind it", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  machine.takes.destroy = 1000;
  const first = new Outcome(www.stop("idle"));
  const summoned = new Outcome(www.summon(CAUSE));
  const second = new Outcome(www.stop("operator"));
  await stage.elapse(1000);
  assertEquals(machine.calls, ["destroy"]);
  assertEquals([first.state, second.state], ["resolved", "resolved"]);
  assertEquals(summoned.message, "www was stopped: operator");
  assertEquals(www.state, "off");
});

Deno.test("only destroy stops what does not run", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "suspended");
  await www.stop("operator", "suspend");
  await www.stop("operator", "shutdown");
  assertEquals([www.state, machine.calls], ["suspended", []]);
  await www.stop("operator", "destroy");
  assertEquals([www.state, machine.calls], ["off", ["destroy"]]);
  await www.stop("operator", "destroy");
  assertEquals(machine.calls, ["destroy"]);
});

Deno.test("a readiness that is late is answered all the same, with a warning", async () => {
  using stage = new Stage();
  const { www } = await stage.www({ readiness: KEY });
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(4999);
  assertEquals(outcome.state, "pending");
  await stage.elapse(1);
  assertEquals([www.state, outcome.state], ["ready", "resolved"]);
  assert(
    stage.log.includes(
      "WARN www: did not become ready within 5 s: no data/ready in xenstore; taking it for ready",
    ),
  );
  assertEquals(www.failures, 0);
});

Deno.test("a machine that was resumed is not waited for in xenstore, where it has a new area and does not know", async () => {
  using stage = new Stage();
  const readiness = { ...KEY, responseDelay: 0.5, waitTimeout: 600 };
  const { machine, www } = await stage.www({ readiness }, "suspended");
  const outcome = new Outcome(www.summon("A www"));
  await stage.elapse(499);
  assertEquals(outcome.state, "pending");
  await stage.elapse(2);
  assertEquals(outcome.state, "resolved");
  assertEquals(machine.calls, ["start"]);
});

Deno.test("a required readiness that is late refuses each summons in its time and is waited for on", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({
    readiness: { ...KEY, waitRequired: true },
  });
  const first = new Outcome(www.summon(CAUSE));
  await stage.elapse(5000);
  assertEquals(
    first.message,
    "www did not become ready within 5 s: no data/ready in xenstore",
  );
  assertEquals([www.state, www.ready], ["starting", false]);
  await stage.elapse(20_000);
  const second = new Outcome(www.summon(CAUSE));
  await stage.elapse(4999);
  assertEquals(second.state, "pending");
  await stage.elapse(1);
  assertEquals(second.state, "rejected");
  const third = new Outcome(www.summon(CAUSE));
  stage.xenstore.write(machine.domid);
  await stage.time.runMicrotasks();
  assertEquals([www.state, third.state], ["ready", "resolved"]);
  assertEquals(machine.calls, ["start"]);
  assertEquals([www.starts, www.failures], [1, 2]);
});

Deno.test("a summons during the response delay is answered after it, however late the rest was", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({
    readiness: { ...KEY, waitRequired: true, responseDelay: 20 },
  });
  www.summon(CAUSE);
  await stage.elapse(6000);
  stage.xenstore.write(machine.domid);
  await stage.elapse(1000);
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(18_999);
  assertEquals(outcome.state, "pending");
  await stage.elapse(1);
  assertEquals(outcome.state, "resolved");
});

Deno.test("a machine that never becomes ready is stopped when nobody asks any more", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({
    readiness: { ...KEY, waitRequired: true },
  });
  www.summon(CAUSE);
  await stage.elapse(124_999);
  assertEquals(machine.calls, ["start"]);
  await stage.elapse(1);
  assertEquals(machine.calls, ["start", "destroy"]);
  assertEquals(www.state, "off");
});

Deno.test("a xenstore that cannot be asked is asked again, and named when the wait is over", async () => {
  const xenstore = new FakeXenstore();
  let asked = 0;
  using stage = new Stage({
    waitForXenstoreKey: (...args) =>
      ++asked < 8
        ? Promise.reject(new Error("xenstored is busy"))
        : xenstore.wait(...args),
  });
  const { www } = await stage.www({
    readiness: { ...KEY, waitRequired: true },
  });
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(5000);
  assertMatch(outcome.message!, /no data\/ready in xenstore \(xenstored is/);
  xenstore.write(1);
  await stage.elapse(2000);
  assert(www.ready);
});

Deno.test("what is closed while it starts refuses its summons and takes no notice of the call's end", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www();
  machine.takes.start = 2000;
  const outcome = new Outcome(www.summon(CAUSE));
  await stage.elapse(1000);
  www.close();
  await stage.time.runMicrotasks();
  assertEquals(outcome.message, "Jitsu is shutting down");
  await stage.elapse(200_000);
  assertEquals(www.state, "starting");
  assertEquals(machine.calls, ["start"]);
  await assertRejects(() => www.summon(CAUSE), Error, "Jitsu is shutting down");
});

for (const mode of STOP_MODES) {
  Deno.test(`what is closed during ${mode} makes no further call`, async () => {
    using stage = new Stage();
    const { machine, www } = await stage.www({ mode }, "running");
    machine.shutsDownIn = "never";
    machine.takes[mode] = 1000;
    machine.fails[mode] = mode === "shutdown" ? [] : ["connection lost"];
    const stopped = new Outcome(www.stop("idle"));
    const summoned = new Outcome(www.summon(CAUSE));
    await stage.elapse(mode === "shutdown" ? 2000 : 500);
    www.close();
    const { length } = stage.transitions;
    await stage.elapse(200_000);
    assertEquals(stage.transitions.length, length);
    assertEquals(summoned.message, "Jitsu is shutting down");
    assertEquals(stopped.state, "rejected");
    assertEquals(machine.calls, [mode]);
  });
}

Deno.test("what is closed just after a stop failed stays as it is", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({}, "running");
  machine.takes.state = 100;
  machine.fails.destroy = ["connection lost"];
  www.stop("idle");
  await stage.elapse(150); // its state was read, destroy has failed, its state is read again
  assertEquals(machine.calls, ["destroy"]);
  www.close();
  await stage.elapse(200_000);
  assertEquals(www.state, "stopping");
});

Deno.test("a machine is not stopped while an answer is good, however short its TTL has become since", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ ttl: 600 });
  www.summon("a query");
  await stage.elapse(1000);
  www.usage.note(0, Date.now()); // good until 601 s
  await stage.elapse(9000);
  www.reconfigure(unikernel({ ttl: 300, dns: ["other.test"] }), machine);
  www.reconfigure(unikernel({ ttl: 1, dns: ["other.test"] }), machine);
  assertEquals(www.goodUntil, 601_000);
  await stage.elapse(591_000 - 1);
  assertEquals(machine.current, "running");
  await stage.elapse(2);
  assertEquals(machine.current, "off");
});

Deno.test("a longer TTL counts from the next request", async () => {
  using stage = new Stage();
  const { machine, www } = await stage.www({ ttl: 1 });
  www.summon("a query");
  await stage.elapse(1000);
  www.reconfigure(unikernel({ ttl: 10 }), machine);
  assertEquals(www.idleIn, 19_000);
});
