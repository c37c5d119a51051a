/**
 * `jitsu doctor`: shows what the examination of a command line has found.
 *
 * @module
 */
import type { DaemonOptions } from "../daemon/options.ts";
import { examine } from "../doctor/examine.ts";
import { write } from "./output.ts";

const LABELS = { good: "ok  ", doubtful: "warn", bad: "FAIL" };

/** Examines what a daemon would be told and resolves with the exit code: 2 where it could not serve, otherwise 0. */
export async function doctor(options: DaemonOptions): Promise<number> {
  let bad = 0, doubtful = 0;
  for await (const { verdict, text } of examine(options)) {
    if (verdict === "bad") bad++;
    if (verdict === "doubtful") doubtful++;
    write(Deno.stdout, `${LABELS[verdict]}  ${text}\n`);
  }
  write(
    Deno.stdout,
    bad > 0
      ? `Jitsu cannot serve this: ${bad} of the above must be put right.\n`
      : doubtful > 0
      ? `Jitsu can serve this; ${doubtful} of the above deserve a look.\n`
      : "Jitsu can serve this.\n",
  );
  return bad > 0 ? 2 : 0;
}
