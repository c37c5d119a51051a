/**
 * What the tests of the XAPI backend share: a fake pool, our backend on it, and the log as a list of lines.
 *
 * @module
 */
import type {
  Backend,
  BackendMemory,
  BackendOptions,
  Machine,
} from "../../../src/backends/backend.ts";
import { XAPI } from "../../../src/backends/xapi/description.ts";
import { collectLog } from "../../collect_log.ts";
import { until } from "../../until.ts";
import { type FakeOptions, FakeXapi, PASSWORD } from "./fake/server.ts";
import { machineConfig } from "../machine_config.ts";

/** A file for the time of a test. */
export async function withFile<T>(
  content: string,
  use: (path: string) => T | Promise<T>,
  mode = 0o600,
): Promise<T> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, content);
    await Deno.chmod(path, mode);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}

/** Logs in as a user would, with the password in a file. */
export function open(
  connect: string,
  settings: Record<string, string> = {},
  password = PASSWORD,
  memory?: BackendMemory,
): Promise<Backend> {
  return withFile(`${password}\n`, (path) => {
    const options: BackendOptions = {
      connect,
      settings: new Map(
        Object.entries({ "xapi-password-file": path, ...settings }),
      ),
      memory,
    };
    return XAPI.open(options);
  });
}

/** The machine of a CONFIG with these keys. */
export function machine(
  backend: Backend,
  name: string,
  keys: Record<string, string> = {},
): Promise<Machine> {
  return backend.machine(machineConfig(XAPI, name, keys));
}

/** What a test has. */
export interface Stage {
  fake: FakeXapi;
  backend: Backend;
  log: string[];
}

/** A test on a pool that our backend is logged in to; nothing is left of either afterwards. */
export function test(
  name: string,
  run: (stage: Stage) => Promise<void>,
  options: FakeOptions = {},
): void {
  Deno.test(name, async () => {
    const log = collectLog("backend");
    await using fake = await FakeXapi.start(options);
    const backend = await open(fake.url);
    try {
      await run({ fake, backend, log });
    } finally {
      await backend.close();
    }
  });
}

/** Resolves when a new poll is on its way, so that the next events come by the one after it. */
export async function polling({ fake }: Stage): Promise<void> {
  const polls = fake.count("event.from");
  await until("polling", () => fake.count("event.from") > polls);
}
