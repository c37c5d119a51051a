/**
 * What the first visitor of a unikernel that does not run waits for: from a query to the first byte of HTTP, each way
 * that Jitsu has, beside the time that the unikernel took in the same boot until it listened.
 *
 * `deno task test:xen tests/xen/first_connection_test.ts -- ROUNDS WORD` has that many visits in the ways that have the
 * word in their names. `deno task bench:xen` has 20 in each, on a host of its own for each.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { median, printRow } from "../bench/measure.ts";
import { curl, here, type Visit as Attempt } from "../e2e/curl.ts";
import type { Jitsu } from "../e2e/harness.ts";
import { run } from "../run.ts";
import { LIBXL, linuxGuest } from "./guests.ts";
import { stop, testOn, WAITS_FOR_KEY } from "./program.ts";
import { SynjitsuGuest } from "./synjitsu_guest.ts";

const ROUNDS = Number(Deno.args[0] ?? 1);
/** What is in the names of the ways to go; without it, those are gone that lose no visit. */
const ONLY = Deno.args[1];

const GUEST = linuxGuest(1);
/** The UUID of no domain. */
const NOBODY = "00000000-0000-4000-8000-000000000000";

const TELL_SYNJITSU = `--synjitsu=${SynjitsuGuest.uuid}`;

interface Way {
  what: string;
  options: string[];
  keys?: string[];
  /** Whether no visit may be in vain. */
  losesNothing: boolean;
}

const WAYS: Way[] = [
  { what: "late answer", options: [], losesNothing: true },
  {
    what: "early answer, nothing held",
    options: ["--answer=early", `--synjitsu=${NOBODY}`],
    keys: ["use_synjitsu=1"],
    losesNothing: false,
  },
  {
    what: "early answer, Synjitsu told (it answers ARP)",
    options: ["--answer=early", TELL_SYNJITSU],
    keys: ["use_synjitsu=1"],
    losesNothing: false,
  },
  {
    what: "early answer, --catch",
    options: ["--answer=early", "--catch=br0"],
    losesNothing: true,
  },
];

/** A visit to the guest while it was off; milliseconds since the visitor set out. */
interface Visit {
  /** When the attempt that was not in vain had the address. */
  answered: number;
  firstByte: number;
  /**
   * When Jitsu heard that the guest listens: what it took to create it and to boot. Until the query is at Jitsu it takes
   * what it takes to be answered in the next visit, or little less.
   */
  listening: number;
  /** How often the visitor had the address and was told that there is nobody, and tried again. */
  inVain: number;
  /** Until the first byte in the next visit, while the guest runs. */
  again: number;
}

function visitOnce(): Promise<Attempt> {
  return curl(here, `http://${GUEST.name}.test/`, "--max-time", "300");
}

async function visit(jitsu: Jitsu): Promise<Visit> {
  await run(["ip", "neighbour", "flush", "dev", "br0"]);
  const from = jitsu.log.length;
  const began = performance.now();
  let before = 0, inVain = 0, first = await visitOnce();
  while (first.firstByte === undefined) {
    // Where the guest takes longer to start than queries have, the resolver has no address yet.
    if (!/resolve host/.test(first.error)) inVain++;
    before = performance.now() - began;
    first = await visitOnce();
  }
  const [, ms] = await jitsu.logged(/: ready .*"ms":([\d.]+)/, from);
  const again = await visitOnce();
  await stop(jitsu, GUEST, "destroy");
  return {
    answered: before + first.answered,
    firstByte: before + first.firstByte,
    listening: again.answered + Number(ms),
    inVain,
    again: again.firstByte!,
  };
}

/** A resolv.conf(5) that names Jitsu, as long as this is not disposed of. */
async function resolveWithJitsu(): Promise<AsyncDisposable> {
  const path = "/etc/resolv.conf";
  const before = await Deno.readTextFile(path).catch(() => "");
  await Deno.writeTextFile(
    path,
    "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n",
  );
  return {
    [Symbol.asyncDispose]: () => Deno.writeTextFile(path, before),
  };
}

testOn(
  LIBXL,
  "the first visitor waits for the boot, in vain never with a late answer or with --catch",
  [GUEST],
  async (host) => {
    await using _resolver = await resolveWithJitsu();
    const ways = WAYS.filter(({ what, losesNothing }) =>
      ONLY === undefined ? losesNothing : what.includes(ONLY)
    );
    const isTold = ({ options }: Way) => options.includes(TELL_SYNJITSU);
    // In every way, for the bridge has a link by it: without one, the kernel drops what dom0 sends.
    await using synjitsu = await SynjitsuGuest.start();
    await synjitsu.serves();
    printRow(
      `medians of ${ROUNDS} boots`,
      ...["listens", "answered", "1st byte", "- answered", "- listens"],
      ...["2nd visit", "in vain"],
    );
    for (const way of ways) {
      const { what, options, keys = [], losesNothing } = way;
      await using jitsu = await host.start(
        ...["--listen=53", "--log-format=json", ...options],
        host.config(GUEST, ...keys, ...WAITS_FOR_KEY),
      );
      if (isTold(way)) await jitsu.logged(/connected to domain/);
      const visits: Visit[] = [];
      for (let i = 0; i < ROUNDS; i++) visits.push(await visit(jitsu));
      const ms = (of: (visit: Visit) => number) =>
        `${Math.round(median(visits.map(of)))} ms`;
      const inVain = visits.reduce((sum, each) => sum + each.inVain, 0);
      printRow(
        what,
        ms(({ listening }) => listening),
        ms(({ answered }) => answered),
        ms(({ firstByte }) => firstByte),
        ms(({ firstByte, answered }) => firstByte - answered),
        ms(({ firstByte, listening }) => firstByte - listening),
        ms(({ again }) => again),
        `${inVain}`,
      );
      if (losesNothing) assertEquals(inVain, 0, what);
    }
  },
);
