/**
 * A small disk of the test's own, to fill it up or to make it read-only: a tmpfs, which takes root.
 *
 * @module
 */

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args })
    .output();
  if (!success) {
    throw new Error(`${command}: ${new TextDecoder().decode(stderr).trim()}`);
  }
}

/** See the module's comment. */
export class SmallDisk implements AsyncDisposable {
  readonly path = Deno.makeTempDirSync({ prefix: "jitsu-disk-" });

  /** Rejects where this may not mount anything. */
  static async mount(size = "512k"): Promise<SmallDisk> {
    const disk = new SmallDisk();
    try {
      await run("mount", "-t", "tmpfs", `-osize=${size}`, "jitsu", disk.path);
    } catch (error) {
      Deno.removeSync(disk.path);
      throw error;
    }
    return disk;
  }

  /** Leaves no room on it. */
  fill(): void {
    using file = Deno.openSync(`${this.path}/ballast`, {
      write: true,
      create: true,
      append: true,
    });
    for (const size of [4096, 1]) {
      try {
        for (;;) file.writeSync(new Uint8Array(size));
      } catch (error) {
        if (!/os error 28/.test((error as Error).message)) throw error; // ENOSPC
      }
    }
  }

  /** Makes room again. */
  clear(): void {
    Deno.removeSync(`${this.path}/ballast`);
  }

  async remount(mode: "ro" | "rw"): Promise<void> {
    await run("mount", `-oremount,${mode}`, this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run("umount", this.path);
    Deno.removeSync(this.path);
  }
}

/** Whether such a disk can be had; where it cannot, the tests that need one are to be ignored. */
export const canMount = await SmallDisk.mount().then(
  async (disk) => {
    await disk[Symbol.asyncDispose]();
    return true;
  },
  (error) => {
    // deno-lint-ignore no-console -- says why tests do not run
    console.log(`skipped: tests that fill a disk up (${error.message})`);
    return false;
  },
);
