/**
 * `jitsu install` and `jitsu uninstall`: says what becomes of each file.
 *
 * @module
 */
import { filesFor, manifestPath, passwordPath } from "../install/files.ts";
import { install, type Step, uninstall } from "../install/install.ts";
import type { Init, ServiceBackend } from "../service/choices.ts";
import type { CommandRequest } from "./read/commands.ts";
import { completions } from "./manual/completions.ts";
import { renderGroff } from "./manual/groff.ts";
import { manual } from "./manual/manual.ts";
import { complain, write } from "./output.ts";

const NOT_DONE = 2;

/** Does what is asked and resolves with the exit code. */
export async function installOrNot(
  { name, values }: CommandRequest,
): Promise<number> {
  const prefix = values.prefix as string;
  const isDry = values["dry-run"] as boolean;
  const init = values.init as Init | undefined ?? await initOfHost();
  const manifest = manifestPath(prefix);
  if (name === "install" && !Deno.build.standalone) {
    complain([
      "only the compiled program can be installed: deno task compile, then dist/jitsu install",
    ]);
    return NOT_DONE;
  }
  try {
    const steps = name === "uninstall"
      ? await uninstall(manifest, isDry)
      : await install(
        filesFor({
          binary: await Deno.readFile(Deno.execPath()),
          prefix,
          init,
          backend: values.backend as ServiceBackend,
          manual: renderGroff(manual()),
          completions,
        }),
        manifest,
        isDry,
      );
    if (steps.length === 0) complain([`nothing is installed below ${prefix}`]);
    for (const step of steps) write(Deno.stdout, line(step));
    if (isDry) write(Deno.stdout, "Nothing was done: this was a dry run.\n");
    else if (name === "install") {
      const password = values.backend === "xapi"
        ? ` and the password (${passwordPath(prefix)}, for root alone)`
        : "";
      const next = `Write the configuration${password}, then: ${NEXT[init]}\n`;
      write(Deno.stdout, next);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    complain([
      `${error.message}: be root, or choose a --prefix of your own`,
    ]);
    return NOT_DONE;
  }
}

function line({ action, path, beside }: Step): string {
  const note = action !== "kept"
    ? ""
    : ` (it was changed${beside ? `; the new one is ${beside}` : ""})`;
  return `${action.padEnd(9)} ${path}${note}\n`;
}

async function initOfHost(): Promise<Init> {
  const hasOpenrc = await Deno.stat("/sbin/openrc-run").then(
    () => true,
    () => false,
  );
  return hasOpenrc ? "openrc" : "systemd";
}

/** What is to be done next. */
const NEXT: Record<Init, string> = {
  systemd: "systemctl daemon-reload; systemctl enable --now jitsu",
  openrc: "rc-update add jitsu; rc-service jitsu start",
};
