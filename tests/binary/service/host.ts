/**
 * A host whose first process is a real service manager, for tests of what `jitsu install` puts there. It has this
 * machine's files and forgets what is done to them; processes, network, mounts and sockets are its own. The kernel is
 * the machine's.
 *
 * @module
 */
import { dirname } from "node:path";

const SCRIPT = new URL("host.sh", import.meta.url).pathname;

/** The binary under test, and where a host has it before it is installed. */
const BINARY = Deno.env.get("JITSU");
export const PROGRAM = "/opt/jitsu";

/** Why there can be no such host here, if so. */
export const obstacle = BINARY === undefined
  ? "the variable JITSU names no binary"
  : Deno.build.os !== "linux" || Deno.uid() !== 0
  ? "it takes root on Linux"
  : undefined;
if (obstacle !== undefined) {
  // deno-lint-ignore no-console -- says why tests are skipped
  console.log(`skipped: tests of the installed service: ${obstacle}`);
}

export interface Output {
  code: number;
  /** What was written to stdout and stderr. */
  text: string;
}

/** See the module's comment. */
export class Host implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #init: number;
  readonly #target: string[];

  /** Boots it. `extra` is a tar archive of files that it has beside this machine's. */
  static async boot(init: string[], extra = ""): Promise<Host> {
    const child = new Deno.Command("unshare", {
      args: ["--mount", "--net", "--uts", "--ipc", "sh", SCRIPT, ...init],
      env: { EXTRA: extra },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stderr = new Response(child.stderr).text();
    const stdout = child.stdout.pipeThrough(new TextDecoderStream());
    for await (const text of stdout) {
      const [, pid] = /^init (\d+)\n/.exec(text) ?? [];
      if (pid === undefined) continue;
      const host = new Host(child, Number(pid));
      try {
        await Deno.copyFile(BINARY!, host.#path(PROGRAM));
        return host;
      } catch (error) {
        await host[Symbol.asyncDispose]();
        throw error;
      }
    }
    throw new Error(`the host did not boot: ${await stderr}`);
  }

  private constructor(child: Deno.ChildProcess, init: number) {
    this.#child = child;
    this.#init = init;
    this.#target = [`--target=${init}`];
  }

  /** Runs a command there. */
  async run(command: string, ...args: string[]): Promise<Output> {
    const into = ["--mount", "--pid", "--uts", "--ipc", "--net"];
    const { code, stdout, stderr } = await new Deno.Command("nsenter", {
      args: [...this.#target, ...into, "--root", "--wd", command, ...args],
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
  }

  /** Runs a command there, which has to succeed, and resolves with what it wrote. */
  async must(command: string, ...args: string[]): Promise<string> {
    const { code, text } = await this.run(command, ...args);
    if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${text}`);
    return text;
  }

  /** Starts a command of this machine in its network, which goes on. */
  spawn(command: string, ...args: string[]): Deno.ChildProcess {
    return new Deno.Command("nsenter", {
      args: [...this.#target, "--net", command, ...args],
      stdin: "null",
      stdout: "null",
    }).spawn();
  }

  /** Writes a file there. */
  async write(path: string, text: string): Promise<void> {
    await Deno.mkdir(this.#path(dirname(path)), { recursive: true });
    await Deno.writeTextFile(this.#path(path), text);
  }

  /** Where a file of it is seen from here. */
  #path(path: string): string {
    return `/proc/${this.#init}/root${path}`;
  }

  /** The addresses that Jitsu answers there for a name, or what else dig says. */
  async ask(name: string): Promise<string> {
    const args = ["@127.0.0.1", "+short", "+tries=1", "+timeout=20", name];
    return (await this.run("dig", ...args)).text.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Deno.kill(this.#init, "SIGKILL"); // and with it goes everything in there
    await this.#child.status;
  }
}
