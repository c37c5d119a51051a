/**
 * A network namespace with a cable to this one: another host, for what runs there. Takes root.
 *
 * @module
 */
import { forEachLine } from "../../src/backends/process/output.ts";
import { run } from "../run.ts";
import { until } from "../until.ts";

/** There the cable's end is `eth0`; here it is an interface of the namespace's name. Both are down at first. */
export class Namespace implements AsyncDisposable {
  readonly #end = new AsyncDisposableStack();
  /** The words that begin a command to run there. */
  #enter: string[] = [];

  private constructor(readonly name: string) {}

  static async start(name: string): Promise<Namespace> {
    const namespace = new Namespace(name);
    const { pid } = namespace.#spawn(["unshare", "--net", "sleep", "infinity"]);
    const own = await Deno.readLink("/proc/self/ns/net");
    await until(
      `${name} has a network of its own`,
      async () => await Deno.readLink(`/proc/${pid}/ns/net`) !== own,
    );
    await run([
      ...["ip", "link", "add", name, "type", "veth"],
      ...["peer", "name", "eth0", "netns", String(pid)],
    ]);
    // The kernel would remove it some time after the namespace.
    namespace.#end.defer(async () => {
      await run(["ip", "link", "delete", name]);
    });
    namespace.#enter = ["nsenter", "--target", String(pid), "--net", "--"];
    return namespace;
  }

  /** Runs a command there. Resolves with what it printed, rejects when it fails. */
  readonly run = (...command: string[]): Promise<string> =>
    run([...this.#enter, ...command]);

  /** Starts a command there that ends with this; resolves when it has printed a line, with those that follow. */
  async spawn(...command: string[]): Promise<string[]> {
    const { lines } = this.#spawn([...this.#enter, ...command]);
    await until(`${command.join(" ")}: a line`, () => lines.length > 0);
    lines.shift();
    return lines;
  }

  #spawn([program, ...args]: string[]): { pid: number; lines: string[] } {
    const child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const lines: string[] = [];
    const reading = forEachLine(child.stdout, (line) => lines.push(line));
    this.#end.defer(async () => {
      child.kill("SIGKILL");
      await child.status;
      await reading;
    });
    return { pid: child.pid, lines };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end.disposeAsync();
  }
}

/** From now on both ends of the cable hear each other. */
export async function plugIn(namespace: Namespace): Promise<void> {
  await run(["ip", "link", "set", namespace.name, "up"]);
  await namespace.run("ip", "link", "set", "eth0", "up");
}
