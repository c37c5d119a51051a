/** The contract of backends over the backend that README's recipe makes. */
import { testBackend } from "../backends/contract.ts";
import { machineConfig } from "../backends/machine_config.ts";
import { TOY } from "./toy/description.ts";

testBackend({
  name: "toy",
  description: TOY,
  traits: {
    suspend: false,
    shutdown: "heeds",
    mark: false,
    close: "goes on",
    elsewhere: {
      start: "told",
      pause: { never: "a file is there or is not" },
      resume: { never: "a file is there or is not" },
      stop: "told",
    },
  },
  async stage() {
    const folder = await Deno.makeTempDir();
    const file = `${folder}/www`;
    const config = (name: string, file: string) =>
      machineConfig(TOY, name, { file });
    return {
      open: () => TOY.open({ connect: "" }),
      config: config("www", file),
      wrong: { config: config("web", `${folder}/no/web`), names: "web" },
      elsewhere: (deed) =>
        deed === "start" ? Deno.writeTextFile(file, "") : Deno.remove(file),
      spoil: () => Deno.symlink("nowhere/www", file),
      mend: () => Deno.remove(file),
      [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
    };
  },
});
