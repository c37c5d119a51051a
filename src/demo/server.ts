/**
 * The "unikernel" of the demo: a small HTTP server. It says who it is, so that one can see that it was started anew.
 *
 *     deno run --allow-net src/demo/server.ts ADDRESS PORT
 *
 * @module
 */
const started = Date.now();
const [hostname, port] = Deno.args;

Deno.serve({ hostname, port: Number(port) }, () => {
  const age = ((Date.now() - started) / 1000).toFixed(1);
  return new Response(
    `Hello from process ${Deno.pid}, summoned ${age} s ago.\n`,
  );
});
