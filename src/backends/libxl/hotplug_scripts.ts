/**
 * Bounding the time of hotplug scripts, which libxl runs to connect the devices of a domain and to take them away. It
 * waits 40 s for each (`LIBXL_HOTPLUG_TIMEOUT`), again when it cleans up after one that failed, and that cannot be set.
 * A script that is killed is a failure to libxl like any other.
 *
 * @module
 */
import { log } from "../../log.ts";
import { readProcessFile, readStat } from "../../procfs.ts";
import { BackendError } from "../backend.ts";
import { childrenOf, kill } from "./children.ts";

/** Milliseconds between two looks. */
const INTERVAL = 250;

/** Milliseconds that scripts have after one that hung. */
const CLEAN_UP_LIMIT = 5000;

/** Calls that are under way. */
const calls = new Set<BoundedScripts>();
let timer: ReturnType<typeof setInterval> | undefined;
/** Milliseconds that scripts have at most, whatever the calls say. */
let haste = Infinity;
/** When scripts were seen first, by their pid and start time. */
let seen = new Map<string, number>();

/** From here to its disposal, libxl's scripts are bounded for a call that runs some. */
export class BoundedScripts implements Disposable {
  readonly #ended: string[] = [];

  /**
   * @param limit milliseconds that a script may take. Which call a script belongs to is not known: where several are
   * under way, the longest limit counts.
   */
  constructor(readonly limit: number) {
    calls.add(this);
    timer ??= setInterval(look, INTERVAL);
  }

  /** Milliseconds that a script may take now: after one that hung, the others need only clean up. */
  get patience(): number {
    return this.#ended.length === 0
      ? this.limit
      : Math.min(this.limit, CLEAN_UP_LIMIT);
  }

  /** A script has been ended, which may have been this call's. */
  note(script: string): void {
    this.#ended.push(script);
  }

  /** The error with which the call failed, with its cause where that is a script. */
  explain(error: unknown): unknown {
    if (this.#ended.length === 0) return error;
    const scripts = [...new Set(this.#ended)].join(", ");
    return new BackendError(
      `the hotplug script ${scripts} did not come to its end within ${
        Math.min(this.limit, haste) / 1000
      } s and was killed (script_timeout): ${(error as Error).message}`,
    );
  }

  [Symbol.dispose](): void {
    calls.delete(this);
    if (calls.size > 0) return;
    clearInterval(timer);
    timer = undefined;
    seen.clear();
  }
}

/** From here to its disposal, no script has longer than `limit` milliseconds. */
export function hurryScripts(limit: number): Disposable {
  haste = limit;
  return { [Symbol.dispose]: () => haste = Infinity };
}

function look(): void {
  const now = performance.now();
  const limit = Math.min(
    haste,
    Math.max(...[...calls].map((call) => call.patience)),
  );
  const still = new Map<string, number>();
  for (const pid of childrenOf(Deno.pid)) {
    const script = scriptOf(pid);
    if (script === undefined) continue;
    const id = `${pid} ${readStat(pid)?.startTime}`;
    const since = seen.get(id) ?? now;
    still.set(id, since);
    if (now - since < limit) continue;
    log("backend").warn(
      `the hotplug script ${script} takes longer than ${
        limit / 1000
      } s, killing it`,
    );
    for (const call of calls) call.note(script);
    killTree(pid);
  }
  seen = still;
}

/** The path of the hotplug script that a child is, if it is one: it has that and its device in its environment. */
function scriptOf(pid: number): string | undefined {
  const environment = readProcessFile(pid, "environ")?.split("\0") ?? [];
  const valueOf = (name: string) =>
    environment.find((each) => each.startsWith(`${name}=`))
      ?.slice(name.length + 1);
  const device = valueOf("XENBUS_PATH");
  return device && (valueOf("script") ?? `of ${device}`);
}

function killTree(pid: number): void {
  const children = childrenOf(pid);
  kill(pid); // before they are gone, so that it does not go on
  for (const child of children) killTree(child);
}
