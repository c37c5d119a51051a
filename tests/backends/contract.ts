/**
 * What every backend does, as tests: each of the backends has a test file that runs them over it, with whatever real
 * thing it needs. What a backend cannot do it says by its capabilities, or the test file does by {@linkcode Traits}.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
} from "@std/assert";
import {
  type Backend,
  type BackendDescription,
  BackendError,
  type Machine,
  type MachineConfig,
  type MachineState,
  type StartAction,
} from "../../src/backends/backend.ts";
import { until } from "../until.ts";

/** What somebody else can do to a machine. */
export type Deed = "start" | "pause" | "resume" | "stop";

/** The state that each deed leaves a machine in. */
const AFTER: Record<Deed, MachineState> = {
  start: "running",
  pause: "paused",
  resume: "running",
  stop: "off",
};

/** What a start after it has to do. */
const START_AFTER: Record<Deed, StartAction> = {
  start: "found running",
  pause: "unpaused",
  resume: "found running",
  stop: "started",
};

/** What backends differ in. */
export interface Traits {
  /** The state that suspend leaves a machine in; `false` where none can be suspended. */
  suspend: "paused" | "suspended" | false;
  /** Whether the machine of the stage goes off when it is asked to shut down, or is deaf to it. */
  shutdown: "heeds" | "deaf";
  /** Whether there is a place for a mark. */
  mark: boolean;
  /** Whether a machine that runs goes on when the backend is closed. */
  close: "goes on" | "stops";
  /**
   * How each deed of somebody else's is known: by being told, or by a look at the state only. Where nobody else can do
   * such a thing it stands here why.
   */
  elsewhere: Record<Deed, "told" | "looked at" | { never: string }>;
}

/** One machine of a backend for one test, and somebody else who can get at it. It is off. */
export interface Stage extends AsyncDisposable {
  /** Opens the backend, each time as another Jitsu would. */
  open(): Promise<Backend>;
  config: MachineConfig;
  /** A machine that there is none of, or that there cannot be, and what the refusal has to name. */
  wrong: { config: MachineConfig; names: string };
  /** Somebody else does that to the machine; those that {@linkcode Traits.elsewhere} says never happen are not asked for. */
  elsewhere(deed: Deed): void | Promise<void>;
  /** Has every start of the machine, or the next one, fail from now on. */
  spoil(): void | Promise<void>;
  /** The end of that. */
  mend(): void | Promise<void>;
  /** Resolves when a machine that was just started can be asked to shut down or to suspend itself. */
  heeds?(): Promise<void>;
}

/** A backend, and how to have a machine of it. */
export interface Subject {
  /** In the tests' names. */
  name: string;
  description: BackendDescription;
  /** As in `--connect`. */
  connect?: string;
  traits: Traits;
  stage(): Promise<Stage>;
  /** Whether it cannot be had here; the reason was printed. */
  ignore?: boolean;
}

/** What a test works with: a machine and what it has told. */
interface Act {
  stage: Stage;
  backend: Backend;
  machine: Machine;
  told: MachineState[];
  /** Closes the backend. */
  close(): Promise<void>;
  /** Opens the backend once more, and finds the machine there. */
  another(): Promise<{ backend: Backend; machine: Machine }>;
}

const MARK = "started=0f;asked=0f/1790000000/120";

/** Collects the states that a machine tells from now on. */
function listen(machine: Machine): MachineState[] {
  const told: MachineState[] = [];
  machine.onStateChange = (state) => told.push(state);
  return told;
}

/** Waits for what was told to be that. */
async function tells(told: MachineState[], ...states: MachineState[]) {
  await until(
    `${states} to be told, and not just ${told}`,
    () => told.length >= states.length,
  );
  assertEquals(told, states);
}

/** Checks that a call is refused in one line, which names something, and resolves with it. */
async function refused(
  call: () => Promise<unknown>,
  names: string,
): Promise<string> {
  const { message } = await assertRejects(call, BackendError);
  assertMatch(message, /^\S[^\n]*\S$/, "it is one line");
  assert(message.includes(names), `${names} is named: ${message}`);
  return message;
}

/** The tests. */
export function testBackend(subject: Subject): void {
  const { description, traits, connect = "" } = subject;
  const { suspend } = traits;

  function test(name: string, fn: (act: Act) => Promise<void>): void {
    Deno.test({
      name: `${subject.name}: ${name}`,
      ignore: subject.ignore ?? false,
      async fn() {
        await using end = new AsyncDisposableStack();
        const stage = end.use(await subject.stage());
        const another = async () => {
          const backend = end.adopt(await stage.open(), (each) => each.close());
          return { backend, machine: await backend.machine(stage.config) };
        };
        const backend = await stage.open();
        const rest = end.use(new AsyncDisposableStack());
        rest.defer(() => backend.close());
        const machine = await backend.machine(stage.config);
        // Not by the handle of the test, which may have been released.
        rest.defer(async () => (await backend.machine(stage.config)).destroy());
        const told = listen(machine);
        const close = async () => {
          rest.move();
          await backend.close();
        };
        await fn({ stage, backend, machine, told, close, another });
      },
    });
  }

  /** Waits for somebody else's deed to be known, as the traits say it is. */
  async function isKnown(
    deed: Deed,
    machine: Machine,
    told: MachineState[],
  ): Promise<void> {
    const state = AFTER[deed];
    if (traits.elsewhere[deed] === "told") {
      await until(`${state} to be told`, () => told.at(-1) === state);
    }
    await until(
      `${machine.name} to be ${state}`,
      async () => await machine.state() === state,
    );
  }

  test("a machine is found, off and with nothing in the way of its start, each time as the same one", async ({ stage, machine, another }) => {
    assertEquals(machine.name, stage.config.name);
    assert(machine.id !== "");
    assertEquals((await another()).machine.id, machine.id);
    assertEquals(await machine.state(), "off");
    assertEquals(await machine.startProblems?.() ?? [], []);
  });

  test("a machine is started, found running and destroyed, each of which is told once, and none taken for a reboot", async ({ machine, told }) => {
    const reboots: string[] = [];
    machine.onReboot = (reason) => reboots.push(reason);
    await machine.destroy(); // off already
    assertEquals(await machine.start(), "started");
    assertEquals(await machine.state(), "running");
    assertEquals(await machine.start(), "found running");
    await tells(told, "running");
    await machine.destroy();
    assertEquals(await machine.state(), "off");
    await tells(told, "running", "off");
    await machine.destroy();
    assertEquals(await machine.start(), "started");
    await tells(told, "running", "off", "running");
    assertEquals(reboots, []);
  });

  test("a machine is asked to shut down, and asking is no wait", async ({ stage, machine, told }) => {
    await machine.shutdown(); // off already
    await machine.start();
    await stage.heeds?.();
    await machine.shutdown();
    if (traits.shutdown === "heeds") {
      await tells(told, "running", "off");
      assertEquals(await machine.state(), "off");
      assertEquals(await machine.start(), "started");
    } else {
      assertEquals(await machine.state(), "running");
      await machine.destroy();
      await tells(told, "running", "off");
    }
  });

  if (suspend === false) {
    test("a machine cannot be suspended, and runs on when that is tried", async ({ stage, machine }) => {
      await machine.start();
      await refused(() => machine.suspend(), stage.config.name);
      assertEquals(await machine.state(), "running");
    });
  } else {
    const back = suspend === "paused" ? "unpaused" : "resumed";

    test(`a machine is suspended, which leaves it ${suspend}, and brought back`, async ({ stage, machine, told }) => {
      await refused(() => machine.suspend(), stage.config.name);
      assertEquals(await machine.state(), "off");
      await machine.start();
      await stage.heeds?.();
      assertEquals(await machine.suspend(), suspend);
      assertEquals(await machine.state(), suspend);
      await tells(told, "running", suspend);
      assertEquals(await machine.suspend(), suspend);
      assertEquals(await machine.start(), back);
      assertEquals(await machine.state(), "running");
      await tells(told, "running", suspend, "running");
    });

    test("a machine that is suspended is destroyed, and starts afresh", async ({ stage, machine, told }) => {
      await machine.start();
      await stage.heeds?.();
      await machine.suspend();
      await tells(told, "running", suspend);
      await machine.destroy();
      assertEquals(await machine.state(), "off");
      await tells(told, "running", suspend, "off");
      assertEquals(await machine.start(), "started");
    });

    test("a machine that one Jitsu left suspended is brought back by the next", async ({ stage, machine, close, another }) => {
      await machine.start();
      await stage.heeds?.();
      await machine.suspend();
      await close();
      const next = await another();
      assertEquals(await next.machine.state(), suspend);
      assertEquals(await next.machine.start(), back);
      await next.machine.destroy();
      assertEquals(await next.machine.state(), "off");
    });
  }

  test("a machine that one Jitsu has started is found running by another, and told off there", async ({ machine, another }) => {
    await machine.start();
    const other = await another();
    const told = listen(other.machine);
    assertEquals(await other.machine.state(), "running");
    assertEquals(await other.machine.start(), "found running");
    await machine.destroy();
    await tells(told, "off");
    assertEquals(await other.machine.state(), "off");
    assertEquals(await other.machine.start(), "started");
    await other.machine.destroy();
  });

  test(`a machine ${traits.close} when its backend is closed, which starts nothing any more`, async ({ stage, machine, close, another }) => {
    await machine.start();
    await close();
    for (const call of ["start", "destroy", "suspend"] as const) {
      await refused(() => machine[call](), "");
    }
    const next = await another();
    assertEquals(
      await next.machine.start(),
      traits.close === "goes on" ? "found running" : "started",
    );
    assertEquals(next.machine.name, stage.config.name);
    await next.machine.destroy();
  });

  for (const deeds of [["start", "stop"], ["pause", "resume"]] as const) {
    for (const deed of deeds) {
      const known = traits.elsewhere[deed];
      if (typeof known === "object") {
        Deno.test({
          name:
            `${subject.name}: nobody else can ${deed} a machine: ${known.never}`,
          ignore: true,
          fn() {},
        });
        continue;
      }
      test(`a machine that somebody else has made ${deed} is ${known}`, async ({ stage, machine, told }) => {
        if (deed !== "start") await machine.start();
        if (deed === "resume") {
          await stage.elsewhere("pause");
          await isKnown("pause", machine, told);
        }
        await stage.elsewhere(deed);
        await isKnown(deed, machine, told);
        assertEquals(await machine.start(), START_AFTER[deed]);
        assertEquals(await machine.state(), "running");
        await machine.destroy();
        assertEquals(await machine.state(), "off");
      });
    }
  }

  test("a machine that there is none of is refused by a line that names it", async ({ stage, backend }) => {
    const { config, names } = stage.wrong;
    await refused(() => backend.machine(config), names);
  });

  test("a start that fails says why in a line that names the machine, leaves it off, and the next one starts it", async ({ stage, machine, told }) => {
    await stage.spoil();
    await refused(() => machine.start(), stage.config.name);
    assertEquals(await machine.state(), "off");
    assert(told.at(-1) !== "running", `it is not left running: ${told}`);
    await stage.mend();
    assertEquals(await machine.start(), "started");
    assertEquals(await machine.state(), "running");
  });

  test("of two starts at once one starts the machine, and both find it running", async ({ machine, told }) => {
    const actions = await Promise.all([machine.start(), machine.start()]);
    assert(actions.includes("started"));
    for (const each of actions) assertMatch(each, /^(started|found running)$/);
    assertEquals(await machine.state(), "running");
    await tells(told, "running");
    await Promise.all([machine.destroy(), machine.destroy()]);
    assertEquals(await machine.state(), "off");
    await tells(told, "running", "off");
  });

  test("calls that overlap each end, and leave a machine that starts and is destroyed", async ({ stage, machine, told }) => {
    await machine.start();
    await stage.heeds?.();
    const calls = [
      ...[machine.suspend(), machine.state(), machine.start()],
      ...[machine.destroy(), machine.start(), machine.state()],
      ...[machine.shutdown(), machine.start(), machine.destroy()],
    ];
    for (const outcome of await Promise.allSettled<unknown>(calls)) {
      if (outcome.status === "fulfilled") continue;
      assertInstanceOf(outcome.reason, BackendError);
    }
    await machine.destroy();
    assertEquals(await machine.state(), "off");
    await until("off to be told last", () => told.at(-1) === "off");
    assertEquals(await machine.start(), "started");
    assertEquals(await machine.state(), "running");
    await until("running to be told last", () => told.at(-1) === "running");
  });

  if (traits.mark) {
    test("a mark is there for every Jitsu in place of the one before, and for one run of the machine", async ({ stage, machine, another }) => {
      const { machine: other } = await another();
      const shows = (mark: string | undefined) =>
        until(
          `the mark ${mark}`,
          async () => await other.mark!.read() === mark,
        );
      assertEquals(await machine.mark!.read(), undefined);
      await refused(() => machine.mark!.write(MARK), stage.config.name);
      await machine.start();
      assertEquals(await other.start(), "found running");
      assertEquals(await machine.mark!.read(), undefined);
      await machine.mark!.write("x".repeat(1000));
      await machine.mark!.write(MARK);
      await shows(MARK);
      await other.mark!.write("by=b+/c:1");
      await until(
        "the other's mark",
        async () => await machine.mark!.read() === "by=b+/c:1",
      );
      await machine.destroy();
      await machine.start();
      assertEquals(await machine.mark!.read(), undefined, "of an earlier run");
    });
  } else {
    test("a machine has no place for a mark", ({ machine }) => {
      assertEquals(machine.mark, undefined);
      return Promise.resolve();
    });
  }

  test("a machine that is asked for again goes on, and tells whoever has it now", async ({ stage, backend, machine }) => {
    await machine.start();
    const again = await backend.machine(stage.config);
    const told = listen(again);
    assertEquals(again.id, machine.id);
    assertEquals(await again.state(), "running");
    assertEquals(await again.start(), "found running");
    await again.destroy();
    await tells(told, "off");
  });

  test("a machine that is released goes on and tells nothing; who asks for it again is told", async ({ stage, backend, machine, told }) => {
    await machine.start();
    await tells(told, "running");
    machine.release?.();
    const again = await backend.machine(stage.config);
    const news = listen(again);
    assertEquals(await again.start(), "found running");
    await again.destroy();
    await tells(news, "off");
    assertEquals(told, ["running"]);
  });

  test("a machine has MAC addresses and a number in the hypervisor as its backend's capabilities say", async ({ machine }) => {
    const { ethernet, xen } = description.capabilities;
    assertEquals(machine.macAddresses !== undefined, ethernet === true);
    for (const mac of await machine.macAddresses?.() ?? []) {
      assertMatch(mac, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
    }
    const isXen = xen?.(connect) === true;
    assert(!isXen || machine.domainId !== undefined);
    assertEquals(await machine.domainId?.(), undefined);
    await machine.start();
    if (machine.domainId !== undefined) {
      assertEquals(typeof await machine.domainId(), "number");
    }
  });
}
