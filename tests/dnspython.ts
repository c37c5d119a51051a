/**
 * dnspython, which tests hold messages against: Debian's python3-dnspython.
 *
 * @module
 */
import { run } from "./run.ts";

/** Debian's own Python, which has it. */
export const PYTHON = "/usr/bin/python3";

/** Whether it is installed; where it is not, the tests that need it are to be ignored. */
export const hasDnspython = await run([PYTHON, "-c", "import dns.message"])
  .then(() => true, () => false);
