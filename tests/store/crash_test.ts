/**
 * kill -9 at random instants: a program that writes as fast as it can, on databases that have been through that many
 * times before. JITSU_CRASHES sets how often; the whole daemon has its turn in tests/e2e/crash_test.ts.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { SqliteStore } from "../../src/store/sqlite.ts";
import { TestFile } from "./support.ts";

const CRASHES = Number(Deno.env.get("JITSU_CRASHES") ?? 100);
/** How many crashes each database goes through. */
const IN_A_ROW = 25;

const WRITER = new URL("crash_writer.ts", import.meta.url).pathname;

/** What was acknowledged: the last change, and the last statistics of each unikernel. */
interface Acknowledged {
  change: number;
  counts: Map<string, number>;
}

/** Lets the writer write, kills it at a random instant, and notes what it had acknowledged. */
async function crash(path: string, seen: Acknowledged): Promise<void> {
  const writer = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", WRITER, path],
    stdout: "piped",
  }).spawn();
  // Every other time it is killed at any time since its start, otherwise while it writes.
  const early = Math.random() < 0.5;
  const kill = (within: number) =>
    setTimeout(() => writer.kill("SIGKILL"), Math.random() * within);
  if (early) kill(400);
  let text = "", writing = false;
  for await (
    const chunk of writer.stdout.pipeThrough(new TextDecoderStream())
  ) {
    if (!writing && !early) kill(100);
    writing = true;
    text += chunk;
  }
  assertEquals((await writer.status).signal, "SIGKILL");
  for (const line of text.split("\n").slice(0, -1)) {
    const [what, ...words] = line.split(" ");
    if (what === "change") {
      seen.change = Math.max(seen.change, Number(words[0]));
    } else seen.counts.set(words[0], Number(words[1]));
  }
}

/** The store opens, and has all that was acknowledged in one piece. */
async function check(path: string, seen: Acknowledged): Promise<number> {
  const store = await SqliteStore.open(path); // which checks the file through
  const history = await store.history(1_000_000);
  const unikernels = await store.unikernels();
  await store.close();

  const last = history.at(-1)?.time ?? 0;
  assert(last >= seen.change, `${last} is stored, ${seen.change} acknowledged`);
  assertEquals(
    history.map(({ time }) => time),
    Array.from({ length: last }, (_, i) => i + 1),
    "what is stored is all that was written until some moment",
  );
  for (const { name, spec, statistics } of unikernels) {
    const own = history.filter(({ unikernel }) => unikernel === name);
    assertEquals(
      spec,
      own.findLast(({ what }) => what === "configuration")!.to,
    );
    const state = own.findLast(({ what }) => what === "state");
    const counted = statistics?.starts ?? 0;
    assert(counted >= Number(state?.to ?? 0));
    assert(counted >= (seen.counts.get(name) ?? 0));
    if (statistics === undefined) continue;
    assertEquals(statistics.state, `${counted}`);
    assertEquals(statistics.names[0].requests, counted, "no half of a change");
  }
  return last;
}

Deno.test(`after kill -9 at ${CRASHES} random instants the file opens and no acknowledged change is lost`, async () => {
  let changes = 0, crashes = 0;
  async function crashAgain(): Promise<void> {
    while (crashes < CRASHES) {
      using file = new TestFile();
      const seen: Acknowledged = { change: 0, counts: new Map() };
      let stored = 0;
      for (let i = 0; i < IN_A_ROW && crashes < CRASHES; i++) {
        crashes++;
        await crash(file.path, seen);
        stored = await check(file.path, seen);
      }
      changes += stored;
    }
  }
  await Promise.all([crashAgain(), crashAgain()]);
  assert(changes > 0, "something was written");
  // deno-lint-ignore no-console -- the count is a result
  console.log(`${crashes} crashes, ${changes} changes, none lost`);
});
