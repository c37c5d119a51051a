/**
 * Jitsu: a forwarding DNS server that starts unikernels when somebody asks for their names.
 *
 * @module
 */
import { run } from "./src/cli/run.ts";

Deno.exit(await run(Deno.args));
