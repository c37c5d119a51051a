/**
 * Visiting a guest by its name with curl and the system's resolver, as somebody does who knows nothing of Jitsu.
 *
 * @module
 */
import { run } from "../run.ts";

/** What a visitor saw, in milliseconds since it began. */
export interface Visit {
  /** When it had the address. */
  answered: number;
  /** When it had the first byte of the page; none if it never did. */
  firstByte?: number;
  /** What went wrong, in curl's words. */
  error: string;
}

/** Runs a command and resolves with what it prints. */
export type Run = (...command: string[]) => Promise<string>;

/** For a visitor on this host. */
export const here: Run = (...command) => run(command);

/** Visits a URL with these options of curl's, from where `on` runs commands. */
export async function curl(
  on: Run,
  url: string,
  ...options: string[]
): Promise<Visit> {
  const written =
    "%{exitcode} %{time_namelookup} %{time_starttransfer} %{errormsg}";
  const words = await on(
    ...["sh", "-c", 'curl "$@" || true', "sh", ...options],
    ...["--silent", "--output", "/dev/null", "--write-out", written, url],
  );
  const [code, answered, firstByte, ...error] = words.split(" ");
  return {
    answered: 1000 * Number(answered),
    firstByte: code === "0" ? 1000 * Number(firstByte) : undefined,
    error: error.join(" "),
  };
}
