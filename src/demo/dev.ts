/**
 * `deno task dev`: Jitsu with a web server to summon, for trying and developing. The task restarts it when the source
 * changes; the web server then goes with it.
 *
 *     deno task dev [DNS_PORT [HTTP_PORT]]
 *
 * @module
 */
import { write } from "../cli/output.ts";
import { run } from "../cli/run.ts";
import { ADDRESS, jitsuArguments, NAME } from "./website.ts";

const [dnsPort = 5300, httpPort = 8053] = Deno.args.map(Number);
const TTL = 5;

write(
  Deno.stdout,
  `
Ask for ${NAME}, which starts a web server, and visit it. ${
    2 * TTL
  } s after the last query it is stopped.

    dig @127.0.0.1 -p ${dnsPort} ${NAME}
    curl http://${ADDRESS}:${httpPort}/

`,
);
Deno.exit(await run(jitsuArguments({ dnsPort, httpPort, ttl: TTL })));
