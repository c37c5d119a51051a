/**
 * Writes to a store as fast as it takes it, until it is killed: changes of state and of configuration, numbered through
 * in their `time`, and statistics that carry the same numbers. Says on stdout what was acknowledged: "change N" and
 * "count UNIKERNEL N".
 *
 * `deno run -A tests/store/crash_writer.ts PATH`
 *
 * @module
 */
import { SqliteStore } from "../../src/store/sqlite.ts";

/** How many writes wait to be acknowledged at the most. */
const IN_FLIGHT = 30;
const NAMES = ["a", "b", "c"];

const encoder = new TextEncoder();
const say = (text: string) =>
  Deno.stdout.writeSync(encoder.encode(text + "\n"));

const store = await SqliteStore.open(Deno.args[0]);
let last = (await store.history(1))[0]?.time ?? 0;
const inFlight = new Set<Promise<void>>();

function acknowledged(text: string, write: Promise<void>): void {
  const done = write.then(() => {
    say(text);
    inFlight.delete(done);
  });
  inFlight.add(done);
}

for (;;) {
  const time = ++last;
  const name = NAMES[time % NAMES.length];
  const change = { time, origin: "query", reason: `${time}` } as const;
  const statistics = {
    state: `${time}`,
    since: time,
    starts: time,
    failures: 0,
    names: [{ name: `${name}.test`, requests: time, lastRequest: time }],
  };
  if (time <= NAMES.length || time % 10 === 0) {
    const spec = `${time}`;
    acknowledged(
      `change ${time}`,
      store.configure({ name, backend: "b", spec, fromFile: false }, change),
    );
  } else {
    acknowledged(
      `change ${time}`,
      store.changeState(name, "", statistics, change),
    );
  }
  if (time % 7 === 0) {
    acknowledged(`count ${name} ${time}`, store.count(name, statistics));
  }
  while (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight);
}
