/**
 * Random histories: whatever clients, admins, guests, backends and operators do in whatever order, some things hold at
 * every moment, and others once everybody has left the machines alone for a while.
 *
 * @module
 */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import type { MachineState } from "../../src/backends/backend.ts";
import { mayLead, type SummonState } from "../../src/summon/states.ts";
import type { SummonedUnikernel } from "../../src/summon/summons.ts";
import { ANSWERS, STOP_MODES } from "../../src/summon/unikernel.ts";
import { ANSWER_LIMIT } from "../../src/summon/waiting.ts";
import { FakeMachine } from "./fake_machine.ts";
import { FakeHolder, Outcome, Stage } from "./set_up.ts";

const MACHINES = 3;
const MAX_STARTS = 2;
const TTL = 2;
const STATES = ["off", "running", "paused", "suspended"] as const;
const CALLS = [
  "start",
  "destroy",
  "shutdown",
  "suspend",
  "state",
  "macs",
] as const;
/** One machine as the model knows it. */
class Actor {
  readonly outcomes: Outcome[] = [];
  /** Of queries, with when they came. */
  readonly queries: { outcome: Outcome; at: number }[] = [];
  /** Its state may change unseen, or an event may have to do: what Jitsu believes may be wrong until it can read it. */
  unseen = false;
  /** The boot for which no key is asked for: it ran when Jitsu came, or it rebooted while a call that starts it had the floor. */
  unasked = 0;
  /** Its MAC addresses may not be known when it boots: nobody holds its connections then. */
  unheld = false;
  constructor(
    readonly machine: FakeMachine,
    readonly summoned: SummonedUnikernel,
  ) {}

  /** A call is to fail, throw or hang. */
  trouble(call: typeof CALLS[number]): void {
    // What cannot be read is taken for what it was, and what hangs may have any effect later.
    this.unseen ||= call === "state" || this.machine.hangs(call);
    this.unheld ||= call === "macs";
  }
}
type Step = { text: string; act(stage: Stage, actors: Actor[]): void };

const which = fc.nat(MACHINES - 1);
const step = (
  text: string,
  i: number,
  act: (actor: Actor, stage: Stage) => void,
): Step => ({
  text: `${text} m${i}`,
  act: (stage, actors) => act(actors[i], stage),
});
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: which.map((i) =>
      step("summon", i, ({ outcomes, queries, summoned }) => {
        const outcome = new Outcome(summoned.summon("a query"));
        outcomes.push(outcome);
        queries.push({ outcome, at: Date.now() });
      })
    ),
  },
  {
    weight: 2,
    arbitrary: which.map((i) =>
      step("request", i, ({ summoned }) => {
        summoned.unikernel.dns.forEach((_, place) =>
          summoned.usage.note(place, Date.now())
        );
      })
    ),
  },
  {
    weight: 3,
    arbitrary: which.map((i) =>
      step(
        "becomes ready",
        i,
        ({ machine }, { xenstore }) => xenstore.write(machine.domid),
      )
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record({ i: which, state: fc.constantFrom(...STATES) })
      .map(({ i, state }) =>
        step(`admin makes ${state}`, i, (actor) => {
          actor.machine.become(state);
          if (actor.machine.changing > 0) actor.unasked = actor.machine.domid;
        })
      ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ i: which, state: fc.constantFrom(...STATES) })
      .map(({ i, state }) =>
        step(`unseen, admin makes ${state}`, i, (actor) => {
          actor.unseen = true;
          actor.machine.become(state, "unseen", false);
        })
      ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ i: which, state: fc.constantFrom(...STATES) })
      .map(({ i, state }) =>
        step(
          `stale event ${state}`,
          i,
          ({ machine }) => machine.onStateChange?.(state, "stale"),
        )
      ),
  },
  {
    weight: 2,
    arbitrary: fc.record({ i: which, call: fc.constantFrom(...CALLS) })
      .map(({ i, call }) =>
        step(`next ${call} fails`, i, (actor) => {
          (actor.machine.fails[call] ??= []).push(`${call} failed`);
          actor.trouble(call);
        })
      ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ i: which, call: fc.constantFrom(...CALLS) })
      .map(({ i, call }) =>
        step(`next ${call} throws at once`, i, (actor) => {
          (actor.machine.throws[call] ??= []).push(`${call} threw`);
          actor.trouble(call);
        })
      ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ i: which, call: fc.constantFrom(...CALLS) })
      .map(({ i, call }) =>
        step(`${call} hangs from now on`, i, (actor) => {
          actor.machine.hang(call);
          actor.trouble(call);
        })
      ),
  },
  {
    weight: 1,
    arbitrary: which.map((i) =>
      step("what hangs goes on", i, ({ machine }) => machine.recover())
    ),
  },
  {
    weight: 1,
    arbitrary: which.map((i) =>
      step("reboots", i, (actor) => {
        const { machine } = actor;
        if (machine.current !== "running") return;
        machine.domid++;
        if (machine.changing > 0 && machine.calls.at(-1) === "start") {
          actor.unasked = machine.domid;
        }
        machine.onReboot?.("reboot");
      })
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      i: which,
      mode: fc.constantFrom(...STOP_MODES),
    }).map(({ i, mode }) =>
      step(`operator stops by ${mode}`, i, ({ outcomes, summoned }) => {
        outcomes.push(new Outcome(summoned.stop("operator", mode)));
      })
    ),
  },
);
const history = fc.array(
  fc.record({
    step: steps,
    then: fc.oneof(
      { weight: 10, arbitrary: fc.constant(0) },
      { weight: 10, arbitrary: fc.nat(20) },
      { weight: 10, arbitrary: fc.nat(6000) },
      { weight: 1, arbitrary: fc.constant(700_000) }, // more than any call may take
    ),
  }, { noNullPrototype: true }),
  { maxLength: 40, size: "max" },
);
const role = fc.record({
  state: fc.constantFrom(...STATES),
  mode: fc.constantFrom(...STOP_MODES),
  waitRequired: fc.boolean(),
  answer: fc.constantFrom(...ANSWERS),
  echo: fc.constantFrom("before" as const, "after" as const, "lost" as const),
  suspendsTo: fc.constantFrom("paused" as const, "suspended" as const),
  shutsDownIn: fc.constantFrom(0, 500, "never" as const),
  start: fc.constantFrom(0, 10, 3000),
  stop: fc.constantFrom(0, 10, 1000),
  read: fc.constantFrom(0, 0, 15),
}, { noNullPrototype: true });
type Role = typeof role extends fc.Arbitrary<infer T> ? T : never;

async function enter(stage: Stage, name: string, role: Role): Promise<Actor> {
  const { state, start, stop, read, mode, waitRequired, answer } = role;
  const machine = new FakeMachine(name);
  machine.become(state);
  machine.echo = role.echo;
  machine.suspendsTo = role.suspendsTo;
  machine.shutsDownIn = role.shutsDownIn;
  machine.gracePeriod = 3000;
  const readiness = { waitForKey: "data/ready", waitTimeout: 1, waitRequired };
  const summoned = await stage.add(
    { name, ttl: TTL, mode, readiness, answer },
    machine,
  );
  Object.assign(machine.takes, {
    start,
    destroy: stop,
    suspend: stop,
    state: read,
  });
  const actor = new Actor(machine, summoned);
  if (state === "running") actor.unasked = machine.domid;
  return actor;
}

function checkAlways(stage: Stage, actors: Actor[]): void {
  const { xenstore } = stage;
  const starting = actors.filter(({ machine }) =>
    machine.changing > 0 && machine.calls.at(-1) === "start" &&
    !machine.hangs("start") // which has given its place up, sooner or later
  );
  assertLessOrEqual(starting.length, MAX_STARTS);
  for (const { machine, summoned, unseen, unasked, queries } of actors) {
    const late = queries.filter(({ outcome, at }) =>
      outcome.state === "pending" && Date.now() - at > ANSWER_LIMIT
    );
    assertEquals(late.length, 0, "a query was not answered in time");
    assertLessOrEqual(machine.mostChanging, 1, "calls overlap");
    const { state, unikernel: { answer } } = summoned;
    if (answer === "late" || state !== "starting") {
      assertEquals(summoned.ready, state === "ready");
    }
    if (summoned.ready && !unseen && machine.reading === 0) {
      assertEquals(machine.current, "running", "ready, but does not run");
      if (
        summoned.unikernel.readiness.waitRequired && answer === "late" &&
        !machine.takes.state &&
        machine.domid !== unasked && machine.domid !== machine.resumed
      ) assert(xenstore.has(machine.domid), "ready, but has not said so");
    }
  }
  for (const line of stage.transitions) {
    const [, from, to] = line.match(/^m\d: (\w+) -> (\w+) /)!;
    assert(mayLead(from as SummonState, to as SummonState), line);
  }
}

/** A boot is told once, and how it ended once, before the next. */
function checkHolds(holder: FakeHolder, actors: Actor[]): void {
  for (const { machine: { name }, summoned: { state }, unheld } of actors) {
    const told = holder.told.filter((line) => line.startsWith(`${name} `))
      .map((line) => line.split(" ")[1]);
    told.forEach((word, i) => assertEquals(word === "booting", i % 2 === 0));
    const isHeld = told.length % 2 === 1;
    assert(!isHeld || state === "starting", `held while it is ${state}`);
    if (state === "ready" && told.length > 0 && !unheld) {
      assertEquals(told.at(-1), "ready");
    }
  }
}

function checkAnswered(actors: Actor[]): void {
  for (const { outcomes } of actors) {
    const pending = outcomes.filter(({ state }) => state === "pending");
    assertEquals(pending.length, 0, "somebody still waits");
  }
}
/** What holds when nothing has happened for long. */
function checkAtRest(actors: Actor[]): void {
  for (const { machine, summoned: { state, idleIn } } of actors) {
    assertEquals(machine.changing, 0);
    if (machine.current === "running") {
      // One that could not be stopped again and again is left alone for longer each time.
      assert(idleIn !== undefined, "it runs though nobody asks for it");
    } else if (state !== "failed") {
      assertEquals(state as MachineState, machine.current);
    }
  }
}

Deno.test("whatever calls do, fail, throw or hang: starts are bounded, calls never overlap, ready machines run, queries are answered in time, and idle machines stop", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(role, { minLength: MACHINES, maxLength: MACHINES }),
      history,
      fc.boolean(),
      async (cast, history, closes) => {
        const holder = new FakeHolder();
        using stage = new Stage({ maxStarts: MAX_STARTS, holders: [holder] });
        const actors: Actor[] = [];
        for (const [i, role] of cast.entries()) {
          actors.push(await enter(stage, `m${i}`, role));
        }
        stage.transitions.length = 0;
        for (const { step, then } of history) {
          step.act(stage, actors);
          await stage.elapse(then);
          checkAlways(stage, actors);
          checkHolds(holder, actors);
        }
        for (const { machine } of actors) machine.recover();
        if (closes) {
          stage.summoner.close();
          await stage.elapse(10_000);
          checkAnswered(actors);
          return;
        }
        for (const { machine } of actors) {
          for (const call of CALLS) {
            delete machine.fails[call];
            delete machine.throws[call];
          }
        }
        await stage.elapse(120_000);
        checkAlways(stage, actors);
        checkAnswered(actors);
        checkAtRest(actors);

        for (const { machine, summoned, outcomes } of actors) {
          for (const call of CALLS) delete machine.takes[call];
          const last = new Outcome(summoned.summon("a last query"));
          await stage.elapse(100);
          stage.xenstore.write(machine.domid);
          await stage.elapse(100);
          assertEquals(last.state, "resolved", "cannot be summoned any more");
          outcomes.push(last);
        }
      },
    ),
    { numRuns: 300 },
  );
});
