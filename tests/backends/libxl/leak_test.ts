import { assertEquals, assertLess } from "@std/assert";
import { run } from "../../run.ts";
import { test } from "../../xen/dom0.ts";
import { DOMAINS, ENVIRONMENT, type Findings } from "./leak_scenario.ts";

const SCENARIO = new URL("leak_scenario.ts", import.meta.url).pathname;
/**
 * Bytes of the C heap that a domain may leave behind. A fourth of them is asked for its configuration, a text of 400
 * bytes; where nothing leaks, most spans come to 0, give or take 40.
 */
const BYTES_PER_DOMAIN = 64;

test(`${DOMAINS} domains leave nothing behind: no files, no memory, nothing in xenstore`, async () => {
  const output = await run(
    [Deno.execPath(), "run", "-A", "--no-check", SCENARIO],
    { env: ENVIRONMENT },
  );
  const { before, after, grown }: Findings = JSON.parse(output);
  assertEquals(after, before);
  // What leaks does so each time, what V8 needs for itself comes now and then.
  const quartile = grown.toSorted((a, b) => a - b)[grown.length >> 2];
  assertLess(quartile, BYTES_PER_DOMAIN, `${grown}`);
});
