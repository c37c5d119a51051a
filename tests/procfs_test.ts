import { assertEquals, assertThrows } from "@std/assert";
import { readProcessFile, readStat } from "../src/procfs.ts";
import { processes, TestDirectory } from "./backends/process/support.ts";
import { until } from "./until.ts";

Deno.test("a process that is not there has no files", () => {
  const neverAProcess = 2 ** 30; // above PID_MAX_LIMIT
  assertEquals(readStat(neverAProcess), undefined);
  assertEquals(readProcessFile(neverAProcess, "comm"), undefined);
});

Deno.test("a process whose file can be opened and no longer be read is not there", async () => {
  await using child = new Deno.Command("sh", {
    args: ["-c", "sleep 0 & exec sleep 1000"],
  }).spawn();
  // It still has an entry, but no memory: reading about that fails with ESRCH, as it does with all of one that is gone.
  const zombie = await until(
    "a zombie",
    () =>
      processes().find(({ ppid, state }) =>
        ppid === child.pid && state === "Z"
      ),
  );
  const name = "smaps_rollup";
  assertThrows(() => Deno.readTextFileSync(`/proc/${zombie.pid}/${name}`));
  assertEquals(readProcessFile(zombie.pid, name), undefined);
});

Deno.test("a program's name may look like fields of its stat file", async () => {
  using dir = new TestDirectory();
  const program = `${dir.path}/a) Z (1`;
  await Deno.copyFile("/bin/sleep", program);
  await using child = new Deno.Command(program, { args: ["1000"] }).spawn();
  await until(
    "it to execute",
    () => readProcessFile(child.pid, "comm") === "a) Z (1\n",
  );
  const stat = readStat(child.pid)!;
  assertEquals(stat.ppid, Deno.pid);
  assertEquals(stat.pgrp, readStat(Deno.pid)!.pgrp);
});
