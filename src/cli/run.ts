/**
 * The program: from its arguments to its exit code. The one place where errors become text for the user.
 *
 * @module
 */
import { BackendError } from "../backends/backend.ts";
import { endLog, setupLog } from "../log.ts";
import { ControlError, Unreachable } from "../control/protocol.ts";
import { StartError } from "../daemon/options.ts";
import { StoreError } from "../store/store.ts";
import type { CommandRequest } from "./read/commands.ts";
import { readCommandLine, type Request } from "./read/command_line.ts";
import { showHelp } from "./manual/help.ts";
import { complain, complaints, write } from "./output.ts";
import { VERSION } from "./version.ts";

/** Exit codes, as the manual has them. */
const USAGE = 1, NOT_STARTED = 2, INTERNAL = 3;
/** Milliseconds that the end of the log is waited for. */
const LOG_PATIENCE = 500;

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
      case "examine":
        return await (await import("./doctor.ts")).doctor(request.options);
      case "command":
        return await runCommand(request.command);
      case "serve": {
        return await serve(request);
      }
    }
  } catch (error) {
    complain([internalError(error)]);
    return INTERNAL;
  }
}

/** Serves until it is told to stop. Whoever has stderr may not read it, and is not waited for. */
async function serve(
  { options, log }: Extract<Request, { kind: "serve" }>,
): Promise<number> {
  setupLog(log);
  // Loaded only now: nobody should wait for it who wants help.
  const { runDaemon } = await import("../daemon/daemon.ts");
  try {
    await runDaemon(options);
    await endLog(LOG_PATIENCE);
    return 0;
  } catch (error) {
    const expected = [StartError, BackendError, StoreError];
    const isExpected = expected.some((each) => error instanceof each);
    const lines = complaints(
      isExpected
        ? (error as Error).message.split("\n")
        : [internalError(error)],
    );
    await endLog(LOG_PATIENCE, lines);
    return isExpected ? NOT_STARTED : INTERNAL;
  }
}

function internalError(error: unknown): string {
  return `internal error: ${(error as Error).stack ?? error}`;
}

async function runCommand(request: CommandRequest): Promise<number> {
  if (request.name === "check") return checkFile(request.operand!);
  if (request.name === "completions") {
    const { completions } = await import("./manual/completions.ts");
    const shell = request.operand as Parameters<typeof completions>[0];
    write(Deno.stdout, completions(shell));
    return 0;
  }
  if (request.name === "install" || request.name === "uninstall") {
    return (await import("./install.ts")).installOrNot(request);
  }
  const { operate } = await import("./operate/operate.ts");
  try {
    await operate(request);
    return 0;
  } catch (error) {
    if (error instanceof ControlError) {
      complain(error.problems);
      return error.usage ? USAGE : NOT_STARTED;
    }
    if (!(error instanceof Unreachable || error instanceof StoreError)) {
      throw error;
    }
    complain([error.message]);
    return NOT_STARTED;
  }
}

/** `jitsu check`. */
function checkFile(path: string): number {
  const request = readCommandLine([`--config=${path}`]);
  if (request.kind !== "serve") {
    complain(request.kind === "refuse" ? request.problems : []);
    return USAGE;
  }
  const { length } = request.options.unikernels;
  write(
    Deno.stdout,
    `${path}: ${length} ${
      length === 1 ? "unikernel" : "unikernels"
    }, no mistake\n`,
  );
  return 0;
}
