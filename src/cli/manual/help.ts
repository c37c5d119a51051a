/**
 * Shows the manual: `--help`.
 *
 * @module
 */
import { renderGroff } from "./groff.ts";
import { manual } from "./manual.ts";
import type { HELP_FORMATS } from "../../daemon/option_table.ts";
import { write } from "../output.ts";
import { renderPlain } from "./plain.ts";

/** Shows the manual on stdout, or in a pager where that is asked for and stdout is a terminal. */
export async function showHelp(
  format: typeof HELP_FORMATS[number],
): Promise<void> {
  if (format === "groff") return write(Deno.stdout, renderGroff(manual()));
  const text = renderPlain(manual());
  const isPaged = format === "pager" && Deno.stdout.isTerminal() &&
    await page(text);
  if (!isPaged) write(Deno.stdout, text);
}

/** Shows a text in the user's pager, or less; false when there is none. */
async function page(text: string): Promise<boolean> {
  const chosen = Deno.env.get("PAGER");
  const command = chosen
    ? new Deno.Command("sh", { args: ["-c", chosen], stdin: "piped" })
    : new Deno.Command("less", { stdin: "piped" });
  let pager: Deno.ChildProcess;
  try {
    pager = command.spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  // Ctrl-C is the pager's to deal with: without us it would be left behind on the terminal.
  const ignore = () => {};
  Deno.addSignalListener("SIGINT", ignore);
  try {
    await ReadableStream.from([new TextEncoder().encode(text)])
      .pipeTo(pager.stdin);
  } catch (error) { // who leaves the pager early has seen enough
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  const { code } = await pager.status;
  Deno.removeSignalListener("SIGINT", ignore);
  return code !== 126 && code !== 127; // sh(1): not executable, not found
}
