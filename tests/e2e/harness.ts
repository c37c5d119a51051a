/**
 * The whole program as a child process, asked with the real `dig`.
 *
 * The program is `deno run -A main.ts`, or the command in the environment variable JITSU (words separated by spaces, no
 * wrapper that stays in between: signals go to the process that is started).
 *
 * @module
 */
import { ControlClient } from "../../src/control/client.ts";
import { forEachLine } from "../../src/backends/process/output.ts";
import { until } from "../until.ts";

export const REPOSITORY = new URL("../..", import.meta.url).pathname;

const COMMAND = Deno.env.get("JITSU")?.split(/\s+/).filter((word) => word) ??
  [Deno.execPath(), "run", "-A", `${REPOSITORY}main.ts`];

/** How long the program may take to exit before it is killed and the test fails: more than the 5 s it promises. */
const STOP_PATIENCE_MS = 15_000;

/** Whether `dig` is installed; where it is not, the tests that need it are to be ignored. */
export const canDig = await isInstalled("dig", "-v");
if (!canDig) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log(
    "skipped: whole-program tests need dig (apt-get install bind9-dnsutils)",
  );
}

/** Whether a program can be run with these arguments, whatever it then says. */
export async function isInstalled(program: string, ...args: string[]) {
  try {
    await new Deno.Command(program, { args }).output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A resource record as dig prints it. */
export interface DigRecord {
  name: string;
  ttl: number;
  type: string;
  data: string;
}

/** A response as dig prints it. */
export interface DigResult {
  /** The RCODE's name, or `no response`. */
  status: string;
  /** In lower case, as in `["qr", "aa", "rd"]`. */
  flags: string[];
  answers: DigRecord[];
  authority: DigRecord[];
  /** Extended DNS Errors (RFC 8914). */
  ede: { code: number; text: string }[];
  /** Between the start and the end of dig, by our clock. */
  began: number;
  ended: number;
  /** All that dig printed. */
  text: string;
}

export interface DigOptions {
  type?: string;
  /** Seconds to wait for the response. */
  timeout?: number;
  /** More of dig's arguments, such as `+norec`. */
  args?: string[];
}

/** Asks the server at an address. There is one try only: a retry would hide a query that was not answered. */
export async function dig(
  server: { address: string; port: number },
  name: string,
  { type = "A", timeout = 20, args = [] }: DigOptions = {},
): Promise<DigResult> {
  const began = performance.now();
  const { stdout } = await new Deno.Command("dig", {
    args: [
      `@${server.address}`,
      "-p",
      String(server.port),
      "+tries=1",
      `+timeout=${timeout}`,
      ...args,
      name,
      type,
    ],
  }).output();
  const ended = performance.now();
  const text = new TextDecoder().decode(stdout);
  return { ...parseDig(text), began, ended, text };
}

/** Reads what dig prints. */
export function parseDig(
  text: string,
): Omit<DigResult, "began" | "ended" | "text"> {
  const records = (section: string): DigRecord[] => {
    const [, lines] = text.match(
      new RegExp(`^;; ${section} SECTION:\n((?:[^\n;].*\n)*)`, "m"),
    ) ?? [];
    return (lines ?? "").split("\n").filter((line) => line).map((line) => {
      const [name, ttl, _class, type, ...data] = line.split(/\s+/);
      return { name, ttl: Number(ttl), type, data: data.join(" ") };
    });
  };
  return {
    status: text.match(/^;; ->>HEADER<<-.* status: (\w+)/m)?.[1] ??
      "no response",
    flags: text.match(/^;; flags: ([a-z ]*);/m)?.[1].split(" ") ?? [],
    answers: records("ANSWER"),
    authority: records("AUTHORITY"),
    // "; EDE: 22 (No Reachable Authority): (www could not be started)"
    ede: [...text.matchAll(/^; EDE: (\d+)(?: \([^)]*\))?(?:: \((.*)\))?$/gm)]
      .map(([, code, text = ""]) => ({ code: Number(code), text })),
  };
}

/** Whether a response says that the machine is on its way, and takes longer than a query has. */
export function isToAskAgain({ status, ede }: DigResult): boolean {
  return status === "SERVFAIL" &&
    ede.some(({ text }) => /ask again later/.test(text));
}

/** A TCP port of 127.0.0.1 that nobody listens on. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Runs the program until it exits: its exit code and what it wrote. */
export async function runJitsu(
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const [program, ...words] = COMMAND;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...words, ...args],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** The program, running. */
export class Jitsu implements AsyncDisposable {
  /** Where it serves DNS. */
  address = "";
  port = 0;
  /** The lines of its log, so far. */
  readonly log: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  readonly #endReading = new AbortController();
  /** Where it can be told what to do, if anywhere. */
  readonly #control: string;
  #status?: Deno.CommandStatus;

  /**
   * Starts it with these arguments, on a free port unless they name one; resolves when it serves, rejects with its log
   * if it does not.
   */
  static start(...args: string[]): Promise<Jitsu> {
    return Jitsu.startIn([], ...args);
  }

  /** The same by a command that replaces itself by the one that follows it. */
  static startIn(wrapper: string[], ...args: string[]): Promise<Jitsu> {
    return Jitsu.startAs([...wrapper, ...COMMAND], ...args);
  }

  /** The same with another command than the program's own. */
  static async startAs(command: string[], ...args: string[]): Promise<Jitsu> {
    const hasPort = args.some((arg) => arg.startsWith("--listen="));
    const port = hasPort ? [] : ["--listen=0"];
    const control = args.findLast((arg) => arg.startsWith("--control=")) ??
      "--control=none";
    const others = args.filter((arg) => !arg.startsWith("--control="));
    const jitsu = new Jitsu([...command, ...port, control, ...others], control);
    try {
      const [, address, port] = await jitsu.logged(
        /serving DNS on ([^ ]+)#(\d+)/,
      );
      jitsu.address = address;
      jitsu.port = Number(port);
      return jitsu;
    } catch (error) {
      await jitsu[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor([program, ...args]: string[], control: string) {
    this.#control = control.slice("--control=".length);
    this.#child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child.status.then((status) => this.#status = status);
    this.#reading = forEachLine(
      this.#child.stderr,
      (line) => this.log.push(line),
      this.#endReading.signal,
    ).catch(() => {}); // ends in an error only when it is told to end
  }

  get pid(): number {
    return this.#child.pid;
  }

  dig(name: string, options?: DigOptions): Promise<DigResult> {
    return dig(this, name, options);
  }

  /**
   * Asks as a client does that goes by what it is told: again for as long as that is to ask again later, since machines
   * under emulation take longer to start than a query has. Resolves with the first response that says something else.
   */
  ask(name: string, options: DigOptions = {}): Promise<DigResult> {
    const { timeout } = options;
    return until(
      `more of ${name} than to ask again later`,
      async () => {
        const result = await this.dig(name, options);
        return isToAskAgain(result) ? undefined : result;
      },
      timeout && 1000 * timeout,
    );
  }

  /**
   * Waits for a line of the log to match, and resolves with the match. Lines before `from` do not count:
   * `jitsu.log.length` beforehand makes it wait for news.
   */
  async logged(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    try {
      return await until(`${pattern} in the log`, () => {
        for (const line of this.log.slice(from)) {
          const match = pattern.exec(line);
          if (match) return match;
        }
        if (this.#status) throw new Error(`it exited before ${pattern}`);
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.log.join("\n")}`);
    }
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for it to exit, and for the rest of its log. Kills it and rejects when it takes too long. */
  async exited(): Promise<Deno.CommandStatus> {
    const timer = setTimeout(() => this.kill("SIGKILL"), STOP_PATIENCE_MS);
    const status = await this.#child.status;
    clearTimeout(timer);
    // What it left running may hold its stderr open.
    const cut = setTimeout(() => this.#endReading.abort(), 1000);
    await this.#reading;
    clearTimeout(cut);
    return status;
  }

  /** Has it stop a unikernel as its operator does, in the unikernel's own mode or in this; it has a `--control=` for that. */
  async stopUnikernel(name: string, mode?: string): Promise<void> {
    using client = await ControlClient.connect(this.#control);
    await client.call({ command: "stop", name, mode }).next();
  }

  /** Asks it to exit with SIGTERM; resolves with its exit code and the milliseconds it took. */
  async stop(): Promise<{ code: number; ms: number }> {
    const began = performance.now();
    this.kill("SIGTERM");
    const { code } = await this.exited();
    return { code, ms: performance.now() - began };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#status === undefined) this.kill("SIGTERM");
    await this.exited();
  }
}
