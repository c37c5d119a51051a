/**
 * `deno run -A peer.ts serve PORT` accepts connections and says so; `connect ADDRESS PORT` prints how often a SYN was sent
 * again on this host until it was connected. Run in the hosts of the lab.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- it talks to whoever runs it

/** TCPSynRetrans of /proc/net/netstat: names in one line, values in the next. */
async function synRetransmissions(): Promise<number> {
  const lines = (await Deno.readTextFile("/proc/net/netstat")).split("\n")
    .filter((line) => line.startsWith("TcpExt:")).map((line) =>
      line.split(" ")
    );
  return Number(lines[1][lines[0].indexOf("TCPSynRetrans")]);
}

const [what, ...args] = Deno.args;
if (what === "serve") {
  Deno.serve({
    hostname: "::",
    port: Number(args[0]),
    onListen: () => console.log("serving"),
  }, () => new Response("hello\n"));
} else {
  const [hostname, port] = args;
  const before = await synRetransmissions();
  using _connection = await Deno.connect({ hostname, port: Number(port) });
  console.log(await synRetransmissions() - before);
}
