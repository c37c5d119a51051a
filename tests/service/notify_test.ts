/**
 * What the program tells a service manager: the whole program, and a socket that is the test's own in systemd's place.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { forEachLine } from "../../src/backends/process/output.ts";
import { Jitsu } from "../e2e/harness.ts";
import { until } from "../until.ts";

const PROCESS = "-x process -f 0.0.0.0".split(" ");
const SHOW_ENVIRONMENT =
  "dns=www.test,ip=127.0.0.2,name=www,command=sh -c 'env; exec sleep 60'";

/** Sets variables for the programs started meanwhile. */
async function withEnvironment(
  variables: Record<string, string>,
  work: () => Promise<void>,
): Promise<void> {
  for (const [name, value] of Object.entries(variables)) {
    Deno.env.set(name, value);
  }
  try {
    await work();
  } finally {
    for (const name of Object.keys(variables)) Deno.env.delete(name);
  }
}

/** A service manager's socket, which keeps what it is told. */
class Manager implements AsyncDisposable {
  readonly messages: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;

  /** Python, because Deno cannot bind an abstract address. */
  static async listen(address: string): Promise<Manager> {
    const child = new Deno.Command("python3", {
      args: ["-uc", RECEIVE, address],
      stdout: "piped",
    }).spawn();
    const manager = new Manager(child);
    await until("the socket", () => manager.messages.includes("listening"));
    manager.messages.length = 0;
    return manager;
  }

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reading = forEachLine(
      child.stdout,
      (line) => this.messages.push(line),
      new AbortController().signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#reading;
  }
}

const RECEIVE = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\\0", 1))
print("listening")
while True: print(s.recv(4096).decode().replace("\\n", "|"))
`;

for (const kind of ["path", "abstract address"]) {
  Deno.test(
    `a service manager at ${
      kind === "path" ? "a" : "an"
    } ${kind} is told READY=1, WATCHDOG=1 again and again, and STOPPING=1`,
    async () => {
      const folder = await Deno.makeTempDir();
      const address = kind === "path"
        ? `${folder}/notify`
        : `@jitsu-test-${crypto.randomUUID()}`;
      try {
        await using manager = await Manager.listen(address);
        const told = (message: string) =>
          until(message, () => manager.messages.includes(message));
        await withEnvironment(
          { NOTIFY_SOCKET: address, WATCHDOG_USEC: "100000" },
          async () => {
            await using jitsu = await Jitsu.start(...PROCESS, SHOW_ENVIRONMENT);
            await told(
              `READY=1|STATUS=serving DNS on 127.0.0.1#${jitsu.port}`,
            );
            const count = () =>
              manager.messages.filter((each) => each === "WATCHDOG=1").length;
            await until("signs of life", () => count() >= 3);
            await jitsu.dig("www.test");
            await jitsu.logged(/machine: www: PATH=/);
            assert(
              !jitsu.log.some((line) => /NOTIFY_SOCKET|WATCHDOG/.test(line)),
              "what Jitsu starts is not the service",
            );
            await jitsu.stop();
            await told("STOPPING=1");
            assertEquals(manager.messages[0].slice(0, 7), "READY=1");
            assertEquals(manager.messages.at(-1), "STOPPING=1");
          },
        );
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}

Deno.test("a program that cannot start never says READY=1", async () => {
  const address = `@jitsu-test-${crypto.randomUUID()}`;
  await using manager = await Manager.listen(address);
  await withEnvironment({ NOTIFY_SOCKET: address }, async () => {
    await assertRejects(() =>
      Jitsu.start(
        ...PROCESS,
        "dns=www.test,ip=127.0.0.2,name=www,command=/no/such/program",
      )
    );
  });
  assertEquals(manager.messages, []);
});

Deno.test("a service manager that is gone, or one that cannot be one, is a warning and no more", async () => {
  for (
    const [address, warning] of [
      ["/no/such/socket", /cannot be told "READY=1"/],
      ["vsock:2:1234", /neither a path nor an abstract socket/],
    ] as const
  ) {
    await withEnvironment({ NOTIFY_SOCKET: address }, async () => {
      await using jitsu = await Jitsu.start(...PROCESS, SHOW_ENVIRONMENT);
      await jitsu.logged(warning);
      assertEquals((await jitsu.stop()).code, 0);
    });
  }
});
