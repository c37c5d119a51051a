/**
 * A guest of the rig that plays Synjitsu: see rig/guest/synjitsu.c.
 *
 * @module
 */
import { run } from "../run.ts";
import { until } from "../until.ts";
import { INITRD, LINUX, linuxCommandLine, xlCreate } from "./dom0.ts";

export class SynjitsuGuest implements AsyncDisposable {
  static readonly uuid = "5a8f2f3c-0f0e-4f6b-9f43-1c6e3a2b7d51";
  static readonly #address = "10.77.0.51";
  #isDestroyed = false;

  /** Makes it; with `isDeaf` it never reads what it is told. It takes some seconds until it serves. */
  static async start(isDeaf = false): Promise<SynjitsuGuest> {
    await xlCreate(`
name="synjitsu"
uuid="${SynjitsuGuest.uuid}"
type="pv"
kernel="${LINUX}"
ramdisk="${INITRD}"
extra="${linuxCommandLine(SynjitsuGuest.#address)} jitsu.synjitsu=${
      isDeaf ? "deaf" : "on"
    }"
memory=96
vif=["bridge=br0,gatewaydev=br0,script=vif-quick,mac=00:16:3e:00:00:51"]
`);
    return new SynjitsuGuest();
  }

  /** Resolves when it waits for a client; `times` is how often it has done so by then. */
  async serves(times = 1): Promise<void> {
    await until(
      `Synjitsu's vchan for the time ${times}`,
      async () =>
        (await this.#lines()).filter((line) => line === "open").length >= times,
    );
  }

  /** What it was told since it booted, ten bytes each in hexadecimal. */
  async told(): Promise<string[]> {
    return (await this.#lines()).filter((line) =>
      !/^(open|closed)$/.test(line)
    );
  }

  /** Kills its vchan server, which then starts again. */
  async killServer(): Promise<void> {
    await get(SynjitsuGuest.#address, "cgi-bin/kill");
  }

  /** Destroys it without a warning to it. */
  async destroy(): Promise<void> {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    await run(["xl", "destroy", "synjitsu"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }

  async #lines(): Promise<string[]> {
    const text = await get(SynjitsuGuest.#address, "synjitsu");
    return text?.trimEnd().split("\n") ?? [];
  }
}

/** What a guest serves there; undefined where it does not serve that, or not yet. */
async function get(
  address: string,
  path: string,
): Promise<string | undefined> {
  try {
    const response = await fetch(`http://${address}/${path}`, {
      signal: AbortSignal.timeout(5000),
      headers: { connection: "close" },
    });
    const text = await response.text();
    return response.ok ? text : undefined;
  } catch {
    return undefined;
  }
}
