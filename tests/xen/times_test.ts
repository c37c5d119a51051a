/**
 * How long it takes from a query to its answer, and what of that goes where, beside `xl create` of the same guest in the
 * same boot of the host. All ways in turn, round after round, for the machine may be busier now than then, and each when
 * dom0 is done with the one before it; medians.
 *
 * `deno task test:xen tests/xen/times_test.ts -- ROUNDS` has that many rounds.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { waitForXenstoreKey } from "../../src/xen/wait_for_key.ts";
import { median, printRow, timeQuery } from "../bench/measure.ts";
import type { Jitsu } from "../e2e/harness.ts";
import { run } from "../run.ts";
import { xlCreate } from "./dom0.ts";
import { type Guest, LIBVIRT, LIBXL, linuxGuest } from "./guests.ts";
import {
  domidOf,
  hasKey,
  Host,
  stop,
  testOn,
  WAITS_FOR_KEY,
} from "./program.ts";

const ROUNDS = Number(Deno.args[0] ?? 1);

/**
 * The order of the six ways in the first round, each one further in the next. What a guest leaves to be done after its
 * end is the burden of the one after it, and so each way comes after every other once in six rounds (a Williams square).
 */
const ORDER = [0, 1, 5, 2, 4, 3];

/** Milliseconds that dom0 has to be idle for, to be done with what it had to do, and the part of them that it is. */
const QUIET_TIME = 1000, QUIET = 0.9;
/** How often to look for that. */
const MAX_LOOKS = 30;

/** Milliseconds. */
interface Times {
  /** From the query, or the start of xl, until the guest says that it serves: the answer. */
  total: number;
  /** Of that, until the domain runs. */
  create: number;
}

/** A way to start a guest. */
interface Way {
  name: string;
  start(): Promise<Times>;
  /** Takes the guest down; resolves when whoever started it knows that it is gone. */
  end(): Promise<unknown>;
}

/** The guest that is started each way, under a name of its own. */
function guest(name: string, script?: string): Guest {
  return { ...linuxGuest(0), name, script };
}

/** The guest without an interface, and so without an address to wait for. */
function bare(name: string): Guest {
  const all = guest(name);
  return { ...all, cmdline: all.cmdline.replace(/ jitsu\.ip=\S+/, "") };
}

/** `xl create`, and then a wait for the key. */
function xl(guest: Guest): Way {
  const { name, kernel, ramdisk, cmdline, memory, script } = guest;
  const config = [
    `name="${name}"`,
    'type="pv"',
    `kernel="${kernel}"`,
    `ramdisk="${ramdisk}"`,
    `extra="${cmdline}"`,
    `memory=${memory}`,
    script === undefined ? "" : `vif=["bridge=br0,script=${script}"]`,
  ].join("\n");
  return {
    name: `xl create, ${script ?? "no interface"}`,
    async start() {
      const began = performance.now();
      await xlCreate(config, "-q");
      const created = performance.now();
      await waitForXenstoreKey(
        (await domidOf(guest))!,
        "data/ready",
        AbortSignal.timeout(300_000),
      );
      return {
        total: performance.now() - began,
        create: created - began,
      };
    },
    end: () => run(["xl", "destroy", name]),
  };
}

/**
 * Milliseconds from a query until the guest's address is the answer, asking again where the guest takes longer to start
 * than a query has.
 */
async function timeAnswer(jitsu: Jitsu, { name }: Guest): Promise<number> {
  const began = performance.now(), from = jitsu.log.length;
  while (true) {
    try {
      await timeQuery(jitsu, `${name}.test`);
      return performance.now() - began;
    } catch (cause) {
      const failure = jitsu.log.slice(from).find((line) =>
        /could not be started|did not become ready|crash loop/.test(line)
      );
      if (failure !== undefined) throw new Error(failure, { cause });
    }
  }
}

/** A query to Jitsu. */
function query(jitsu: Jitsu, toolstack: string, guest: Guest): Way {
  return {
    name: `Jitsu, ${toolstack}, ${guest.script ?? "no interface"}`,
    async start() {
      const from = jitsu.log.length;
      const total = await timeAnswer(jitsu, guest);
      assertEquals(await hasKey(guest), true, "answered too early");
      const [, create] = await jitsu.logged(/started in (\S+) s/, from);
      return { total, create: 1000 * Number(create) };
    },
    end: () => stop(jitsu, guest, "destroy"),
  };
}

const xlStock = guest("xl", "vif-bridge"), xlBare = bare("xlbare");
const stock = guest("stock", "vif-bridge"), fast = guest("fast", "fast");
const none = bare("bare"), virt = guest("virt", "vif-bridge");

testOn(
  LIBXL,
  "a query is answered when the key of its guest is there, whatever made the guest; the times beside those of xl create are printed",
  [xlStock, stock, fast, xlBare, none],
  async (host) => {
    const config = (guest: Guest) => host.config(guest, ...WAITS_FOR_KEY);
    await using libxl = await host.start(...[stock, fast, none].map(config));
    using libvirtHost = new Host(LIBVIRT);
    await using _domains = await LIBVIRT.start([virt]);
    await using libvirt = await libvirtHost.start(
      libvirtHost.config(virt, ...WAITS_FOR_KEY),
    );
    const ways = [
      xl(xlStock),
      query(libxl, "libxl", stock),
      query(libxl, "libxl", fast),
      query(libvirt, "libvirt", virt),
      xl(xlBare),
      query(libxl, "libxl", none),
    ];
    const times = ways.map((): Times[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const first of ORDER) {
        const i = (first + round) % ways.length;
        await untilQuiet();
        times[i].push(await ways[i].start());
        await ways[i].end();
      }
    }
    report(ways, times);
  },
);

/** Waits until dom0 has nothing to do for a while, but not for ever: emulated on a busy machine it is never idle. */
async function untilQuiet(): Promise<void> {
  for (let look = 0; look < MAX_LOOKS; look++) {
    const before = processorTime();
    await new Promise((resolve) => setTimeout(resolve, QUIET_TIME));
    const after = processorTime();
    if (after.idle - before.idle >= QUIET * (after.all - before.all)) return;
  }
}

/** Of dom0's processors since its boot, in clock ticks (proc_stat(5)). */
function processorTime() {
  const [line] = Deno.readTextFileSync("/proc/stat").split("\n");
  // user, nice, system, idle, iowait, irq, softirq, steal; what follows is within user and nice
  const times = line.split(/\s+/).slice(1, 9).map(Number);
  return { idle: times[3], all: times.reduce((sum, time) => sum + time) };
}

/** Prints the table. The first four ways have an interface; the two after them have none, xl's first. */
function report(ways: Way[], times: Times[][]): void {
  const medians = times.map((all) => ({
    total: median(all.map(({ total }) => total)),
    create: median(all.map(({ create }) => create)),
    boot: median(all.map(({ total, create }) => total - create)),
  }));
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  const [withInterface, , , , withNone, libxlWithNone] = medians;
  printRow(
    "seconds from query to key,",
    ...["answer", "create", "hotplug", "boot", "to xl"],
  );
  printRow(
    ROUNDS === 1
      ? "one round, too few to judge by: deno task bench:xen"
      : `medians of ${ROUNDS}`,
  );
  for (const [i, { name }] of ways.entries()) {
    const { total, create, boot } = medians[i];
    const beside = i < 4 ? withInterface : withNone;
    // libvirt creates with libxl too.
    const base = i === 0 ? withNone : libxlWithNone;
    printRow(
      name,
      seconds(total),
      seconds(create),
      i < 4 ? seconds(create - base.create) : "",
      seconds(boot),
      `${((total / beside.total - 1) * 100).toFixed(1)} %`,
    );
  }
}
