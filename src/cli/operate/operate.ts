/**
 * The commands that talk to the running daemon: sends what is asked and prints what comes back.
 *
 * @module
 */
import { ControlClient } from "../../control/client.ts";
import {
  type CommandName,
  defaultControlPath,
  type ReloadReport,
  type Request,
  restartNeeded,
  type UnikernelStatus,
  Unreachable,
  type UpstreamStatus,
} from "../../control/protocol.ts";
import type { HistoryEvent } from "../../store/store.ts";
import { visible, visibleJson } from "../../visible.ts";
import type { CommandRequest } from "../read/commands.ts";
import { type Answer, StoppedDaemon } from "./stopped.ts";
import { write } from "../output.ts";
import { historyLines, statusTable, upstreamTable } from "./table.ts";
import { delay } from "../../wait.ts";

/** Milliseconds between two looks of `status --watch`. */
const WATCH_INTERVAL = 1000;
/** Clears the terminal and goes to its top (ECMA-48: CUP, ED). */
const CLEAR = "\x1b[H\x1b[2J";

/** Asks the daemon, or what stands in for it. */
type Ask = (request: Request<CommandName>) => Promise<Answer>;

/**
 * Does what a command asks of the daemon, or of the database of one that does not run. Rejects with `ControlError`,
 * `Unreachable` or `StoreError` when it is not done.
 */
export async function operate(request: CommandRequest): Promise<void> {
  const { control, persistdb, backend } = request.values as {
    control?: string;
    persistdb?: string;
    backend?: string;
  };
  const path = control ?? defaultControlPath(persistdb);
  if (path === undefined) {
    throw new Unreachable(
      "there is no place for a control socket: name the daemon's with --control",
    );
  }
  let client: ControlClient;
  try {
    client = await ControlClient.connect(path);
  } catch (error) {
    if (persistdb === undefined || !(error instanceof Unreachable)) throw error;
    await using stopped = await StoppedDaemon.open(persistdb, backend ?? "");
    return await perform(request, (each) => stopped.ask(each));
  }
  using connected = client;
  await perform(request, (each) => askDaemon(connected, each));
}

async function perform(
  { name: command, operand, values }: CommandRequest,
  ask: Ask,
): Promise<void> {
  const name = operand!; // where it is required, it was checked
  switch (command) {
    case "status":
      return await showStatus(ask, operand, values);
    case "start":
    case "stop": {
      const { result } = await ask(
        command === "start"
          ? { command, name }
          : { command, name, mode: values.mode as string | undefined },
      );
      return printLines(`${name}: ${(result as UnikernelStatus).state}`);
    }
    case "add": {
      const replace = values.replace as boolean;
      const { result } = await ask({ command, spec: name, replace });
      const added = result as { name: string; outcome: string };
      return printLines(`${added.name}: ${added.outcome}`);
    }
    case "remove":
      await ask({ command, name, stop: values.stop as boolean });
      return printLines(`${name}: removed`);
    case "history": {
      const limit = values.limit as number;
      const { items } = await ask({ command, limit, name: operand });
      if (values.json) return printJson(items);
      return print(historyLines(items as HistoryEvent[]));
    }
    case "upstreams": {
      const { items } = await ask({ command });
      if (values.json) return printJson(items);
      return print(upstreamTable(items as UpstreamStatus[]));
    }
    case "reload": {
      const { result } = await ask({ command, stop: values.stop as boolean });
      return printLines(...reloadLines(result as ReloadReport));
    }
  }
}

/** Waits for the whole reply. */
async function askDaemon(
  client: ControlClient,
  request: Request<CommandName>,
): Promise<Answer> {
  const replies = client.call(request);
  const items: unknown[] = [];
  for (;;) {
    const { done, value } = await replies.next();
    if (done) return { items, result: value };
    items.push(value);
  }
}

async function showStatus(
  ask: Ask,
  name: string | undefined,
  { json, names, watch }: Record<string, unknown>,
): Promise<void> {
  const clear = watch && !json && Deno.stdout.isTerminal() ? CLEAR : "";
  for (;;) {
    const { items } = await ask({ command: "status", name });
    const all = items as UnikernelStatus[];
    if (names) printLines(...all.map(({ name }) => name));
    else if (json) printJson(all);
    else print(clear + statusTable(all, Date.now()));
    if (!watch) return;
    await delay(WATCH_INTERVAL);
  }
}

function reloadLines(
  { needRestart, unchanged, ...done }: ReloadReport,
): string[] {
  const lines = Object.entries(done).flatMap(([what, names]) =>
    names.map((name) => `${name}: ${what}`)
  );
  lines.push(`${unchanged.length} unchanged`);
  if (needRestart.length > 0) lines.push(restartNeeded(needRestart));
  return lines;
}

/** Whatever is in them came over a socket, and is shown as it is. */
function printLines(...lines: string[]): void {
  print(lines.map((line) => `${visible(line)}\n`).join(""));
}

function print(text: string): void {
  write(Deno.stdout, text);
}

/** One JSON text a line. */
function printJson(items: readonly unknown[]): void {
  print(items.map((item) => `${visibleJson(item)}\n`).join(""));
}
