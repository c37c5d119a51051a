/**
 * The program: from its arguments to its exit code. The one place where errors become text for the user.
 *
 * @module
 */
import { BackendError } from "../backends/backend.ts";
import { setupLog } from "../log.ts";
import { StoreError } from "../store/store.ts";
import { readCommandLine } from "./command_line.ts";
import { showHelp } from "./help.ts";
import { write } from "./output.ts";
import { VERSION } from "./version.ts";

/** Exit codes, as the manual has them. */
const USAGE = 1, NOT_STARTED = 2, INTERNAL = 3;

/** Runs the program and resolves with its exit code. The commit it was compiled from is told with the version. */
export async function run(
  argv: readonly string[],
  commit?: string,
): Promise<number> {
  try {
    const request = readCommandLine(argv);
    switch (request.kind) {
      case "help":
        await showHelp(request.format);
        return 0;
      case "version":
        write(
          Deno.stdout,
          `jitsu ${VERSION}${commit === undefined ? "" : ` (${commit})`}\n`,
        );
        return 0;
      case "refuse":
        complain(request.problems);
        return USAGE;
      case "serve": {
        setupLog(request.log);
        // Loaded only now: nobody should wait for it who wants help.
        const { runDaemon, StartError } = await import("../daemon.ts");
        try {
          await runDaemon(request.options);
          return 0;
        } catch (error) {
          const expected = [StartError, BackendError, StoreError];
          if (!expected.some((each) => error instanceof each)) throw error;
          complain((error as Error).message.split("\n"));
          return NOT_STARTED;
        }
      }
    }
  } catch (error) {
    complain([`internal error: ${(error as Error).stack ?? error}`]);
    return INTERNAL;
  }
}

function complain(problems: readonly string[]): void {
  write(
    Deno.stderr,
    problems.map((problem) => `jitsu: ${problem}\n`).join(""),
  );
}
