/** The contract of backends over processes; with a pidfile, by which another Jitsu finds them. */
import { PROCESS } from "../../../src/backends/process/description.ts";
import { type Deed, testBackend } from "../contract.ts";
import { config, contentOf, TestDirectory } from "./support.ts";

const SIGNALS: Record<Exclude<Deed, "start">, Deno.Signal> = {
  pause: "SIGSTOP",
  resume: "SIGCONT",
  stop: "SIGKILL",
};

testBackend({
  name: "process",
  description: PROCESS,
  traits: {
    suspend: "paused",
    shutdown: "heeds",
    mark: true,
    close: "stops",
    elsewhere: {
      start: { never: "what others start is another process" },
      pause: "told",
      resume: "told",
      stop: "told",
    },
  },
  async stage() {
    const dir = new TestDirectory();
    const command = `${dir.path}/sleep`, pidfile = `${dir.path}/pid`;
    await Deno.symlink("/usr/bin/sleep", command);
    return {
      open: () => PROCESS.open({ connect: "" }),
      config: config("www", { command: `${command} 1000`, pidfile }),
      wrong: {
        config: config("web", { command: `${dir.path}/gone` }),
        names: `${dir.path}/gone`,
      },
      async elsewhere(deed) {
        const [pid] = (await contentOf(pidfile)).split("\n");
        Deno.kill(Number(pid), SIGNALS[deed as keyof typeof SIGNALS]);
      },
      spoil: () => Deno.remove(command),
      mend: () => Deno.symlink("/usr/bin/sleep", command),
      [Symbol.asyncDispose]() {
        dir[Symbol.dispose]();
        return Promise.resolve();
      },
    };
  },
});
